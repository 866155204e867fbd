#include "src/exec/bank.h"

#include <gtest/gtest.h>

#include "tests/exec/tiny_graphs.h"

namespace qsweep {
namespace {

using test::random_tensor;

TEST(LayerBankTest, shares_a_kernel_between_precisions_with_equal_weights) {
  const Program program(test::branched_graph());
  const QuantSetup setup =
      test::setup_for(program, test::some_precisions(), random_tensor({4, 3, 8, 8}, 1));
  LayerBank bank(program, setup);
  EXPECT_EQ(bank.at(LayerId(1), 1).kernel, bank.at(LayerId(1), 3).kernel);  // W4A16 and W4A8F
  EXPECT_NE(bank.at(LayerId(1), 0).kernel, bank.at(LayerId(1), 1).kernel);
  EXPECT_NE(bank.at(LayerId(1), 1).kernel, bank.at(LayerId(2), 1).kernel);
  EXPECT_EQ(&bank.at(LayerId(1), 2), &bank.at(LayerId(1), 2));
}

TEST(LayerBankTest, integer_operands_run_on_codes_the_rest_on_reals) {
  const Program program(test::branched_graph());
  const QuantSetup setup =
      test::setup_for(program, test::some_precisions(), random_tensor({4, 3, 8, 8}, 1));
  LayerBank bank(program, setup);
  const std::vector<bool> want = {false, false, true, false, true};
  for (int p = 0; p < 5; ++p) {
    EXPECT_EQ(bank.at(LayerId(0), p).integer, want[static_cast<std::size_t>(p)])
        << setup.precisions[static_cast<std::size_t>(p)].name;
  }
  EXPECT_FALSE(bank.activation(LayerId(0), 1).format.is_quantized());
}

TEST(LayerBankTest, both_kernels_compute_the_dequantized_layer) {
  const Program program(test::branched_graph());
  const Tensor batch = random_tensor({4, 3, 8, 8}, 1);
  const QuantSetup setup = test::setup_for(program, test::some_precisions(), batch);
  LayerBank bank(program, setup);
  for (int p = 0; p < 5; ++p) {
    const PreparedLayer& layer = bank.at(LayerId(0), p);
    const Tensor rounded = fake_quantize(batch, layer.activation);
    const Tensor reference =
        make_float_kernel(program.spec(LayerId(0)), bank.weight(LayerId(0), p).dequantized(),
                          program.bias(LayerId(0)))
            ->run(rounded);
    const Tensor got =
        layer.kernel->run(layer.integer ? quantize(batch, layer.activation) : rounded);
    ASSERT_EQ(got.shape(), reference.shape());
    ASSERT_EQ(got.layout(), reference.layout());
    // The integer kernel rounds the bias to a multiple of s_x * s_w, well below this.
    const double tolerance = layer.integer ? 2e-3 : 0.0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got.size()); ++i) {
      ASSERT_NEAR(got.data<float>()[i], reference.data<float>()[i], tolerance) << "precision " << p;
    }
  }
}

TEST(LayerBankTest, names_the_layers_without_ranges) {
  const Program program(test::branched_graph());
  QuantSetup setup =
      test::setup_for(program, test::some_precisions(), random_tensor({1, 3, 8, 8}, 1));
  setup.input_stats[1] = {};
  setup.input_stats[3] = {};
  try {
    const LayerBank bank(program, setup);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::config);
    EXPECT_EQ(error.message(), "W8A8 needs activation ranges, and there are none for b, d");
  }
}

TEST(LayerBankTest, weight_only_and_half_precisions_need_no_ranges) {
  const Program program(test::branched_graph());
  QuantSetup setup;
  for (const char* name : {"FP32", "W4A16", "FP16"})
    setup.precisions.push_back(parse_precision(name));
  LayerBank bank(program, setup);
  EXPECT_EQ(bank.at(LayerId(4), 2).activation.format.dtype, DType::f16);
}

TEST(LayerBankTest, blocks_run_along_what_a_product_sums_over) {
  const Program program(test::branched_graph());
  QuantSetup setup;
  for (const char* name : {"FP32", "MXFP4"}) setup.precisions.push_back(parse_precision(name));
  LayerBank bank(program, setup);  // needs no ranges
  const Format& blocks = setup.precisions[1].activation;
  for (const LayerId i : ids<LayerId>(program.layers().size())) {
    const Layer& layer = program.layer(i);
    EXPECT_EQ(bank.activation(i, 1).axis, layer.op == "Conv" ? 1 : -1) << layer.name;
    EXPECT_TRUE(bank.activation(i, 1).scale.empty());
    EXPECT_EQ(activation_axis(layer, blocks), bank.activation(i, 1).axis);
  }
  setup.precisions.push_back(parse_precision("NVFP4"));
  EXPECT_THROW(LayerBank(program, setup), Error) << "its tensor scale is calibrated";
}

}  // namespace
}  // namespace qsweep
