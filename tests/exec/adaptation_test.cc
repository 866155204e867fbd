#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "src/quant/adapt.h"

#include "src/exec/walk.h"

#include "tests/exec/tiny_graphs.h"

namespace qsweep {
namespace {

using test::random_tensor;

/// Inputs of every layer over the images of a batch; every row is in the sample.
std::vector<LayerInputs> inputs_of(const Program& program, const Tensor& batch) {
  std::vector<LayerInputs> all(program.layers().size());
  (void)run_float(program, {batch}, [&](ValueId value, const Tensor& tensor) {
    for (const LayerId layer : ids<LayerId>(all.size())) {
      if (program.layer(layer).input != value) continue;
      LayerInputs& own = all[layer.index()];
      const Tensor x = tensor.to_layout(Layout::row_major);
      for (std::int64_t n = 0; n < x.dim(0); ++n) {
        const Tensor one = x.rows(n, n + 1);
        const InputRows rows(program.spec(layer), program.weight(layer).shape(), one.shape());
        own.sample.channels = rows.channels();
        own.sample.area = rows.area();
        own.sample.groups = program.spec(layer).group;
        own.add_image(one.data<float>(), one.size() / (one.dim(0) * rows.channels()));
        for (std::int64_t r = 0; r < rows.rows(); ++r)
          rows.append(one.data<float>(), r, own.sample.values);
      }
    }
  });
  return all;
}

Adaptations adapt_all(const Program& program,
                      const QuantSetup& setup,
                      const WeightSettings& settings,
                      const Tensor& batch) {
  const std::vector<LayerInputs> inputs = inputs_of(program, batch);
  const LayerBank bank(program, setup);
  Adaptations all(inputs.size(), std::vector<Adaptation>(setup.precisions.size()));
  for (const LayerId id : ids<LayerId>(inputs.size())) {
    const std::size_t at = id.index();
    const Layer& layer = program.layer(id);
    for (int p = 1; p < static_cast<int>(setup.precisions.size()); ++p) {
      const auto precision = static_cast<std::size_t>(p);
      all[at][precision] =
          adapt_layer(program.weight(id), {layer.output_axis, layer.input_axis},
                      setup.precisions[precision], settings, inputs[at], bank.activation(id, p));
    }
  }
  return all;
}

class Outputs final : public WalkSink {
 public:
  void output(int scheme, std::span<const Tensor> outputs) override {
    of_scheme.resize(std::max(of_scheme.size(), static_cast<std::size_t>(scheme) + 1));
    of_scheme[static_cast<std::size_t>(scheme)] = outputs[0];
  }
  void probe(const Probe& p) override {
    const Tensor x = p.input.to_layout(Layout::row_major);
    const Tensor q = p.quantized_input().to_layout(Layout::row_major);
    for (std::size_t i = 0; i < static_cast<std::size_t>(x.size()); ++i)
      input_error = std::max(input_error, std::abs(x.data<float>()[i] - q.data<float>()[i]));
  }
  std::vector<Tensor> of_scheme;
  float input_error = 0.0f;
};

/// Scheme 0 in float, scheme 1 with every layer at precision 1.
Outputs run(const Program& program, const QuantSetup& setup, const Tensor& batch) {
  LayerBank bank(program, setup);
  const std::size_t layers = program.layers().size();
  const std::vector<Assignment> schemes = {Assignment(layers, 0), Assignment(layers, 1)};
  Outputs outputs;
  run_walk(plan_walk(program, program.trace(batch.shape()), setup.precisions, schemes,
                     {.probe = true, .adaptations = &setup.adaptations}),
           bank, batch, outputs);
  return outputs;
}

double squared_error(const Outputs& outputs) {
  double sum = 0.0;
  const auto a = outputs.of_scheme.at(0).data<float>();
  const auto b = outputs.of_scheme.at(1).data<float>();
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2.0);
  return sum;
}

/// A perceptron of two layers.
Program perceptron() {
  test::GraphBuilder g;
  const ValueId x = g.input({-1, 32});
  const ValueId hidden = g.relu("r", g.gemm("first", x, 32, 32));
  return Program(g.finish({g.gemm("second", hidden, 32, 16)}));
}

Tensor loud_batch(std::int64_t images) {
  Tensor batch = random_tensor({images, 32}, 5);
  for (std::size_t i = 0; i < static_cast<std::size_t>(batch.size()); ++i) {
    if (i % 32 % 8 == 3) batch.mutable_data<float>()[i] *= 30.0f;
  }
  return batch;
}

double error_with(const std::string& precision, const WeightSettings& settings) {
  const Program program = perceptron();
  const Tensor batch = loud_batch(64);
  QuantSetup setup =
      test::setup_for(program, {parse_precision("FP32"), parse_precision(precision)}, batch);
  setup.weight_algorithm = settings.algorithm;
  if (adapts(settings, setup.precisions[1]))
    setup.adaptations = adapt_all(program, setup, settings, batch);
  return squared_error(run(program, setup, batch));
}

TEST(AdaptedWalkTest, scaling_alone_does_not_change_the_float_model) {
  const Program program(test::branched_graph());
  const Tensor batch = random_tensor({4, 3, 8, 8}, 1);
  QuantSetup setup =
      test::setup_for(program, {parse_precision("FP32"), parse_precision("W8A8")}, batch);
  setup.adaptations = adapt_all(program, setup, {.algorithm = WeightAlgorithm::smoothquant}, batch);
  setup.precisions[1] = parse_precision("FP32");
  double widest = 0.0;
  for (const auto& row : setup.adaptations) {
    const auto [low, high] = std::ranges::minmax(row[1].scale);
    widest = std::max(widest, static_cast<double>(high / low));
  }
  EXPECT_GT(widest, 1.5) << "there is something to scale";
  const Outputs outputs = run(program, setup, batch);
  const auto a = outputs.of_scheme.at(0).data<float>();
  const auto b = outputs.of_scheme.at(1).data<float>();
  double largest = 0.0;
  for (const float v : a) largest = std::max(largest, std::abs(double{v}));
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4 * largest);
}

TEST(AdaptedWalkTest, readers_of_one_tensor_share_its_operand_only_when_scaled_alike) {
  const Program program(test::branched_graph());
  const Tensor batch = random_tensor({2, 3, 8, 8}, 1);
  QuantSetup setup =
      test::setup_for(program, {parse_precision("FP32"), parse_precision("W8A8")}, batch);
  setup.adaptations.assign(5, std::vector<Adaptation>(2));
  const auto quantizers = [&] {
    const std::vector<Assignment> schemes = {Assignment(5, 1)};
    const Walk walk = plan_walk(program, program.trace(batch.shape()), setup.precisions, schemes,
                                {.adaptations = &setup.adaptations});
    return std::ranges::count(walk.instructions, Instruction::Kind::quantize, &Instruction::kind);
  };
  EXPECT_EQ(quantizers(), 4) << "c and d read one tensor";
  setup.adaptations[2][1].scale = setup.adaptations[3][1].scale = {1, 2, 3, 4};
  EXPECT_EQ(quantizers(), 4);
  setup.adaptations[3][1].scale = {1, 2, 3, 5};
  EXPECT_EQ(quantizers(), 5);
}

TEST(AdaptedWalkTest, probes_see_the_input_without_its_scales) {
  const Program program = perceptron();
  const Tensor batch = loud_batch(16);
  QuantSetup setup =
      test::setup_for(program, {parse_precision("FP32"), parse_precision("W8A8")}, batch);
  setup.adaptations = adapt_all(program, setup, {.algorithm = WeightAlgorithm::smoothquant}, batch);
  const float largest = *std::ranges::max_element(batch.data<float>());
  EXPECT_LT(run(program, setup, batch).input_error, 0.02f * largest);
}

TEST(AdaptedWalkTest, each_algorithm_helps_the_model_it_is_meant_for) {
  const double int8 = error_with("W8A8", {});
  EXPECT_LT(error_with("W8A8", {.algorithm = WeightAlgorithm::smoothquant}), 0.5 * int8);
  EXPECT_LT(error_with("W8A8", {.algorithm = WeightAlgorithm::smoothquant,
                                .smoothquant_alpha = std::nullopt}),
            0.5 * int8);
  const double int4 = error_with("W4A16", {});
  for (const auto a : {WeightAlgorithm::awq_lite, WeightAlgorithm::awq_full})
    EXPECT_LT(error_with("W4A16", {.algorithm = a}), 0.7 * int4) << name_of(a);
  EXPECT_LT(error_with("W4A16", {.algorithm = WeightAlgorithm::awq_clip}), int4);
  EXPECT_LT(error_with("W4A16", {.bias_correction = true}), int4);
  EXPECT_LT(error_with("W4A8", {.bias_correction = true}), error_with("W4A8", {}));
}

TEST(AdaptedBankTest, float_kernels_are_shared_only_between_equal_weights) {
  const Program program = perceptron();
  const Tensor batch = loud_batch(16);
  QuantSetup setup = test::setup_for(
      program, {parse_precision("FP32"), parse_precision("W4A16"), parse_precision("W4A8F")},
      batch);
  setup.adaptations = adapt_all(program, setup, {.algorithm = WeightAlgorithm::awq_lite}, batch);
  {
    LayerBank bank(program, setup);
    EXPECT_EQ(bank.at(LayerId(0), 1).kernel, bank.at(LayerId(0), 2).kernel);
  }
  setup.adaptations[0][2].bias.assign(32, 0.5f);
  LayerBank bank(program, setup);
  EXPECT_NE(bank.at(LayerId(0), 1).kernel, bank.at(LayerId(0), 2).kernel);
  EXPECT_EQ(bank.bias(LayerId(0), 2).data<float>()[3],
            program.bias(LayerId(0)).data<float>()[3] + 0.5f);
}

/// A row of inputs times the weight is what the layer's own kernel computes.
TEST(InputRowsTest, products_of_rows_are_the_layers_outputs) {
  LinearSpec conv;
  conv.strides = {2, 1};
  conv.pads = {1, 0, 2, 1};
  conv.dilations = {1, 2};
  conv.group = 2;
  const Tensor weight = random_tensor({6, 2, 3, 2}, 1);
  const Tensor x = random_tensor({1, 4, 7, 6}, 2);
  const Tensor y = make_float_kernel(conv, weight, {})->run(x).to_layout(Layout::row_major);
  const InputRows rows(conv, weight.shape(), x.shape());
  ASSERT_EQ(rows.rows() * 6, y.size());
  for (std::int64_t r = 0; r < rows.rows(); ++r) {
    std::vector<float> row;
    rows.append(x.data<float>(), r, row);
    ASSERT_EQ(row.size(), 4u * 6u);
    for (std::size_t o = 0; o < 6; ++o) {
      double sum = 0.0;
      for (std::size_t k = 0; k < 12; ++k)
        sum += double{weight.data<float>()[o * 12 + k]} * double{row[o / 3 * 12 + k]};
      const auto at = o * static_cast<std::size_t>(rows.rows()) + static_cast<std::size_t>(r);
      EXPECT_NEAR(y.data<float>()[at], sum, 1e-5);
    }
  }
  LinearSpec gemm;
  gemm.kind = LinearSpec::Kind::gemm;
  const InputRows vectors(gemm, {5, 3}, {1, 4, 3});
  EXPECT_EQ(vectors.rows(), 4);
  std::vector<float> row;
  vectors.append(std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 2, row);
  EXPECT_EQ(row, (std::vector<float>{6, 7, 8}));
}

}  // namespace
}  // namespace qsweep
