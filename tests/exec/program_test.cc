#include "src/exec/program.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/exec/tiny_graphs.h"

namespace qsweep {
namespace {

using test::branched_graph;
using test::GraphBuilder;
using test::random_tensor;

TEST(ProgramTest, fuses_relu_behind_what_it_alone_reads) {
  const Program program(branched_graph());
  std::vector<bool> fused;
  for (const Step& step : program.steps()) {
    if (step.layer) fused.push_back(step.epilogue == Epilogue::relu);
  }
  EXPECT_EQ(fused, (std::vector<bool>{true, false, false, true, false}));
  EXPECT_EQ(program.steps().size(), 9u);  // 12 nodes less the three ReLUs
}

TEST(ProgramTest, keeps_relu_apart_when_the_sum_before_it_is_an_output) {
  GraphBuilder g;
  const ValueId x = g.input({1, 3, 4, 4});
  const ValueId y = g.conv("a", x, 3, 2);
  const ValueId z = g.relu("r", y);
  const Program program(g.finish({y, z}));
  const Tensor batch = random_tensor({1, 3, 4, 4}, 1);
  const std::vector<Tensor> out = run_float(program, {batch});
  ASSERT_EQ(out.size(), 2u);
  bool saw_negative = false;
  for (std::int64_t i = 0; i < out[0].size(); ++i) {
    const float before = out[0].data<float>()[static_cast<std::size_t>(i)];
    saw_negative |= before < 0.0f;
    EXPECT_EQ(out[1].data<float>()[static_cast<std::size_t>(i)], std::max(before, 0.0f));
  }
  EXPECT_TRUE(saw_negative);
}

/// A convolution, y * sigmoid(y), and what `outputs` picks of (y, gate, product).
Graph silu_graph(const std::vector<int>& outputs) {
  GraphBuilder g;
  const ValueId y = g.conv("a", g.input({1, 3, 5, 4}), 3, 7);
  const ValueId gate = g.node("Sigmoid", "gate", {y});
  const ValueId values[] = {y, gate, g.node("Mul", "product", {gate, y})};
  std::vector<ValueId> picked;
  for (const int i : outputs) picked.push_back(values[i]);
  return g.finish(picked);
}

TEST(ProgramTest, fuses_silu_without_changing_a_bit) {
  const Program fused(silu_graph({2}));
  const Program apart(silu_graph({2}), Program::Epilogues::separate);
  ASSERT_EQ(fused.steps().size(), 1u);
  EXPECT_EQ(fused.spec(LayerId(0)).epilogue, Epilogue::silu);
  EXPECT_EQ(apart.steps().size(), 3u);
  const Tensor batch = random_tensor({1, 3, 5, 4}, 1, 20.0);
  const Tensor a = run_float(fused, {batch})[0], b = run_float(apart, {batch})[0];
  EXPECT_TRUE(std::ranges::equal(a.data<float>(), b.data<float>()));
}

TEST(ProgramTest, keeps_silu_apart_when_a_value_within_is_an_output) {
  EXPECT_EQ(Program(silu_graph({0, 2})).steps().size(), 3u);
  EXPECT_EQ(Program(silu_graph({1, 2})).steps().size(), 3u);
}

TEST(ProgramTest, fuses_relu_behind_an_add_without_changing_a_bit) {
  const Program fused(test::branched_graph());
  const Program apart(test::branched_graph(), Program::Epilogues::separate);
  const auto adds_with_relu = [](const Program& program) {
    return std::ranges::count_if(program.steps(), [](const Step& step) {
      return !step.layer && step.epilogue == Epilogue::relu;
    });
  };
  EXPECT_EQ(adds_with_relu(fused), 1);
  EXPECT_EQ(adds_with_relu(apart), 0);
  const Tensor batch = random_tensor({2, 3, 8, 8}, 1, 20.0);
  const Tensor a = run_float(fused, {batch})[0], b = run_float(apart, {batch})[0];
  EXPECT_TRUE(std::ranges::equal(a.data<float>(), b.data<float>()));
}

TEST(ProgramTest, lists_all_unsupported_operators_at_once) {
  GraphBuilder g;
  const ValueId x = g.input({1, 3, 4, 4});
  const ValueId y = g.node("Frobnicate", "first", {x});
  const ValueId z = g.conv("a", y, 3, 2);
  try {
    const Program program(g.finish({g.node("Twist", "second", {z})}));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_EQ(error.message(),
              "operators without a kernel: Frobnicate (node 'first'), Twist (node 'second')");
  }
}

TEST(ProgramTest, folds_batch_norm_and_counts_it) {
  GraphBuilder g;
  const ValueId x = g.input({-1, 3, 4, 4});
  const ValueId y = g.conv("a", x, 3, 2);
  const float ones[] = {1.0f, 2.0f};
  const auto vec = [&] { return g.constant(Tensor::of<float>(DType::f32, {2}, ones)); };
  const ValueId scale = vec();
  const ValueId shift = vec();
  const ValueId mean = vec();
  const ValueId variance = vec();
  const Program program(
      g.finish({g.node("BatchNormalization", "bn", {y, scale, shift, mean, variance})}));
  EXPECT_EQ(program.batch_norms_folded(), 1);
  EXPECT_EQ(program.steps().size(), 1u);
}

TEST(ProgramTest, trace_counts_products_and_bytes) {
  const Program program(branched_graph());
  const Trace trace = program.trace({2, 3, 8, 8});
  EXPECT_EQ(trace.input_shape, (Shape{2, 3, 8, 8}));
  std::int64_t macs = 0;
  for (std::size_t s = 0; s < program.steps().size(); ++s) {
    macs += trace.macs[s];
    EXPECT_GT(trace.work[s], static_cast<double>(trace.macs[s]));
  }
  // 3x3 convolutions on 8x8 images, padded: exact products counted with the padding, as usual.
  EXPECT_EQ(macs, 2 * (64 * 9 * (3 * 4 + 3 * 4 * 4) + 8 * 5));
  EXPECT_EQ(trace.bytes[static_cast<std::size_t>(program.input())], 2 * 3 * 64 * 4);
  EXPECT_EQ(trace.shapes[static_cast<std::size_t>(program.graph().outputs[0])], (Shape{2, 5}));
}

TEST(ProgramTest, natural_batch_keeps_the_largest_layer_in_the_cache) {
  const auto batch = [](std::int64_t channels, std::int64_t side) {
    test::GraphBuilder graph;
    const ValueId y =
        graph.conv("conv", graph.input({1, channels, side, side}), channels, channels);
    const Program program(graph.finish({y}));
    return natural_batch(program, program.trace({1, channels, side, side}));
  };
  EXPECT_EQ(batch(16, 32), 8);  // 64 KiB in, 64 KiB out
  EXPECT_EQ(batch(20, 32), 4);  // 160 KiB: 6 would fit
  EXPECT_EQ(batch(1, 8), 16);
  EXPECT_EQ(batch(64, 64), 1);
  EXPECT_EQ(batch(240, 8), 8) << "120 KiB, and weights of 1.98 MiB";
  EXPECT_EQ(batch(256, 8), 16) << "128 KiB, and weights of 2.25 MiB";
}

TEST(ProgramTest, visits_inputs_and_every_step_once) {
  const Program program(branched_graph());
  std::vector<int> visits(program.graph().values.size(), 0);
  (void)run_float(program, {random_tensor({1, 3, 8, 8}, 1)},
                  [&](ValueId id, const Tensor&) { ++visits[static_cast<std::size_t>(id)]; });
  EXPECT_EQ(visits[static_cast<std::size_t>(program.input())], 1);
  for (const Step& step : program.steps())
    EXPECT_EQ(visits[static_cast<std::size_t>(step.outputs[0])], 1);
}

TEST(ProgramTest, a_float_run_keeps_only_what_is_read_later) {
  const Program program(test::chain_graph(12));
  const Tensor batch = random_tensor({4, 2, 4, 4}, 1);
  FloatRunner runner(program);
  (void)runner.run({&batch, 1});
  const std::uint64_t before = tensor_bytes();
  std::uint64_t most = 0;
  (void)runner.run({&batch, 1},
                   [&](ValueId, const Tensor&) { most = std::max(most, tensor_bytes()); });
  EXPECT_EQ(tensor_bytes(), before);
  EXPECT_LE(most - before, 4 * batch.bytes());  // 12 values are computed; two are alive at once
}

TEST(ProgramTest, image_shape_pins_open_extents_or_says_so) {
  GraphBuilder g;
  const ValueId x = g.input({-1, 3, -1, -1});
  const Program program(g.finish({g.conv("a", x, 3, 2)}));
  EXPECT_EQ(program.image_shape({5, -1, 16, 8}), (Shape{1, 3, 16, 8}));
  EXPECT_THROW((void)program.image_shape({1, 3, 16}), Error);
  try {
    (void)program.image_shape();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::config);
    EXPECT_EQ(error.message(), "input 'x' has extents that the model leaves open");
    EXPECT_EQ(error.hint(), "Pin them, for example x:1x3x224x224");
  }
}

TEST(ProgramTest, a_fixed_batch_of_one_is_batchable_when_nothing_depends_on_it) {
  EXPECT_TRUE(Program(branched_graph(1)).batchable());
  EXPECT_TRUE(Program(branched_graph(-1)).batchable());
}

TEST(ProgramTest, a_reshape_to_one_image_is_not_batchable) {
  for (const std::int64_t declared : {1, -1}) {
    GraphBuilder g;
    const ValueId x = g.input({declared, 3, 4, 4});
    const ValueId y = g.conv("a", x, 3, 2);
    const std::int64_t extents[] = {1, 32};
    const ValueId shape = g.constant(Tensor::of<std::int64_t>(DType::i64, {2}, extents));
    const Program program(g.finish({g.node("Reshape", "flat", {y, shape})}));
    EXPECT_FALSE(program.batchable()) << declared;
  }
}

TEST(ProgramTest, rows_that_mix_are_not_batchable) {
  GraphBuilder g;  // [N, 4] minus its mean over the batch
  const ValueId x = g.input({1, 4});
  Attributes over_batch;
  over_batch.set("axes", std::vector<std::int64_t>{0});
  over_batch.set("keepdims", std::int64_t{1});
  const ValueId mean = g.node("ReduceMean", "mean", {x}, over_batch);
  const ValueId bias = g.node("Sub", "centred", {x, mean});
  const Program program(g.finish({g.gemm("e", bias, 4, 3)}));
  EXPECT_FALSE(program.batchable());
}

}  // namespace
}  // namespace qsweep
