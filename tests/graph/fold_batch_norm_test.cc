#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "src/graph/layers.h"
#include "src/graph/passes.h"

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::attributes;
using testing::floats_of;
using testing::GraphBuilder;
using V = std::int64_t;
using Doubles = std::vector<double>;

constexpr double kEpsilon = 1e-3;

std::vector<float> random_floats(std::size_t count, unsigned seed, float low = -1.0F) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, 1.0F);
  std::vector<float> result(count);
  for (float& x : result) x = uniform(engine);
  return result;
}

/// Textbook 1-D convolution of x[C, L] with w[M, C/g, K], no padding.
Doubles conv(const Doubles& x, int channels, const Doubles& w, int outs, int groups, int kernel) {
  const int length = static_cast<int>(x.size()) / channels;
  const int per_group = channels / groups;
  const int result_length = length - kernel + 1;
  Doubles y(static_cast<std::size_t>(outs * result_length));
  for (int m = 0; m < outs; ++m) {
    for (int t = 0; t < result_length; ++t) {
      for (int c = 0; c < per_group; ++c) {
        for (int k = 0; k < kernel; ++k) {
          const int source = m / (outs / groups) * per_group + c;
          y[static_cast<std::size_t>(m * result_length + t)] +=
              x[static_cast<std::size_t>(source * length + t + k)] *
              w[static_cast<std::size_t>((m * per_group + c) * kernel + k)];
        }
      }
    }
  }
  return y;
}

/// Textbook 1-D transposed convolution of x[C, L] with w[C, M/g, K], stride 1, no padding.
Doubles conv_transpose(
    const Doubles& x, int channels, const Doubles& w, int outs, int groups, int kernel) {
  const int length = static_cast<int>(x.size()) / channels;
  const int per_group = outs / groups;
  const int result_length = length + kernel - 1;
  Doubles y(static_cast<std::size_t>(outs * result_length));
  for (int c = 0; c < channels; ++c) {
    for (int j = 0; j < per_group; ++j) {
      const int m = c / (channels / groups) * per_group + j;
      for (int t = 0; t < length; ++t) {
        for (int k = 0; k < kernel; ++k) {
          y[static_cast<std::size_t>(m * result_length + t + k)] +=
              x[static_cast<std::size_t>(c * length + t)] *
              w[static_cast<std::size_t>((c * per_group + j) * kernel + k)];
        }
      }
    }
  }
  return y;
}

/// y[N] = x[K] times w[K, N], or w[N, K] when transposed.
Doubles gemm(const Doubles& x, const Doubles& w, int outs, bool transposed) {
  const int inner = static_cast<int>(x.size());
  Doubles y(static_cast<std::size_t>(outs));
  for (int n = 0; n < outs; ++n) {
    for (int k = 0; k < inner; ++k) {
      y[static_cast<std::size_t>(n)] +=
          x[static_cast<std::size_t>(k)] *
          w[static_cast<std::size_t>(transposed ? n * inner + k : k * outs + n)];
    }
  }
  return y;
}

Doubles widen(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// y[c, :] = y[c, :] * gain + offset, channel by channel.
Doubles batch_norm(Doubles y, const std::vector<float> (&p)[4]) {
  const std::size_t inner = y.size() / p[0].size();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t c = i / inner;
    y[i] = (y[i] - static_cast<double>(p[2][c])) /
               std::sqrt(static_cast<double>(p[3][c]) +
                         static_cast<double>(static_cast<float>(kEpsilon))) *
               static_cast<double>(p[0][c]) +
           static_cast<double>(p[1][c]);
  }
  return y;
}

Doubles add_bias(Doubles y, const Doubles& bias) {
  const std::size_t inner = y.size() / bias.size();
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += bias[i / inner];
  return y;
}

/// One linear node with a BatchNormalization behind it, and the same sums in double.
struct Case {
  std::string op;
  Shape weight;
  int outs = 0;
  Attributes list;
  double alpha = 1.0, beta = 1.0;
  std::function<Doubles(const Doubles& x, const Doubles& w)> linear;
};

void expect_same_function(const Case& c, bool with_bias) {
  SCOPED_TRACE(c.op + (with_bias ? " with bias" : " without bias"));
  const auto outs = static_cast<std::size_t>(c.outs);
  const auto w = random_floats(static_cast<std::size_t>(element_count(c.weight)), 1);
  const auto b = random_floats(outs, 2);
  const std::vector<float> p[4] = {random_floats(outs, 3), random_floats(outs, 4),
                                   random_floats(outs, 5), random_floats(outs, 6, 0.05F)};
  GraphBuilder builder;
  builder.input("x", {1, 24}).constant("w", c.weight, w).constant("b", {c.outs}, b);
  const char* names[4] = {"scale", "shift", "mean", "var"};
  for (int i = 0; i < 4; ++i) builder.constant(names[i], {c.outs}, p[i]);
  std::vector<std::string> operands{"x", "w"};
  if (with_bias) operands.emplace_back("b");
  Graph graph = builder.node(c.op, operands, {"t"}, c.list)
                    .node("BatchNormalization", {"t", "scale", "shift", "mean", "var"}, {"y"},
                          attributes({{"epsilon", static_cast<float>(kEpsilon)}}))
                    .output("y")
                    .build();
  EXPECT_EQ(fold_batch_norm(graph), 1);
  check(graph);
  ASSERT_EQ(graph.nodes.size(), 1U);
  const Node& node = graph.nodes[0];
  EXPECT_EQ(node.outputs, graph.outputs);
  ASSERT_EQ(node.inputs.size(), 3U);

  const Doubles x = widen(random_floats(24, 7));
  const auto apply = [&](const Doubles& weight, const Doubles& bias, double alpha, double beta) {
    Doubles y = c.linear(x, weight);
    for (double& v : y) v *= alpha;
    Doubles scaled = bias;
    for (double& v : scaled) v *= beta;
    return add_bias(std::move(y), scaled);
  };
  const Doubles bias = with_bias ? widen(b) : Doubles(outs, 0.0);
  const Doubles expected = batch_norm(apply(widen(w), bias, c.alpha, c.beta), p);
  const Doubles actual =
      apply(widen(floats_of(graph, node.inputs[1])), widen(floats_of(graph, node.inputs[2])),
            static_cast<double>(node.attributes.f("alpha", 1.0F)),
            static_cast<double>(node.attributes.f("beta", 1.0F)));
  ASSERT_EQ(actual.size(), expected.size());
  // Only the rounding of the folded constants to float separates the two.
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], 1e-5 * std::max(1.0, std::abs(expected[i]))) << i;
  }
}

TEST(FoldBatchNormTest, computes_the_same_function) {
  const Case cases[] = {
      {"Conv",
       {6, 4, 3},
       6,
       {},
       1,
       1,
       [](const Doubles& x, const Doubles& w) { return conv(x, 4, w, 6, 1, 3); }},
      {"Conv",
       {6, 2, 3},
       6,
       attributes({{"group", V{2}}}),
       1,
       1,
       [](const Doubles& x, const Doubles& w) { return conv(x, 4, w, 6, 2, 3); }},
      {"ConvTranspose",
       {4, 6, 3},
       6,
       {},
       1,
       1,
       [](const Doubles& x, const Doubles& w) { return conv_transpose(x, 4, w, 6, 1, 3); }},
      {"ConvTranspose",
       {4, 3, 3},
       6,
       attributes({{"group", V{2}}}),
       1,
       1,
       [](const Doubles& x, const Doubles& w) { return conv_transpose(x, 4, w, 6, 2, 3); }},
      {"Gemm",
       {24, 5},
       5,
       {},
       1,
       1,
       [](const Doubles& x, const Doubles& w) { return gemm(x, w, 5, false); }},
      {"Gemm",
       {5, 24},
       5,
       attributes({{"transB", V{1}}, {"alpha", 2.0F}, {"beta", 0.5F}}),
       2,
       0.5,
       [](const Doubles& x, const Doubles& w) { return gemm(x, w, 5, true); }},
  };
  for (const Case& c : cases) {
    expect_same_function(c, true);
    expect_same_function(c, false);
  }
}

/// x -> Conv -> BatchNormalization -> y, with room for what prevents folding.
GraphBuilder conv_bn(const Attributes& bn, const std::vector<std::string>& bn_results) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 8}).constant("w", {2, 2, 1}, {1, 2, 3, 4});
  builder.constant("scale", {2}, {1, 2}).constant("shift", {2}, {0, 0});
  builder.constant("mean", {2}, {0, 0}).constant("var", {2}, {1, 1});
  builder.node("Conv", {"x", "w"}, {"t"});
  builder.node("BatchNormalization", {"t", "scale", "shift", "mean", "var"}, bn_results, bn);
  return builder.output("y");
}

TEST(FoldBatchNormTest, training_forms_stay) {
  Graph by_attribute = conv_bn(attributes({{"training_mode", V{1}}}), {"y"}).build();
  EXPECT_EQ(fold_batch_norm(by_attribute), 0);
  Graph by_outputs = conv_bn({}, {"y", "mean_out", "var_out"}).build();
  EXPECT_EQ(fold_batch_norm(by_outputs), 0);
  Graph unused_outputs = conv_bn({}, {"y", "", ""}).build();
  EXPECT_EQ(fold_batch_norm(unused_outputs), 1);
}

TEST(FoldBatchNormTest, stays_when_others_read_the_convolution) {
  Graph reader = conv_bn({}, {"y"}).node("Relu", {"t"}, {"z"}).output("z").build();
  EXPECT_EQ(fold_batch_norm(reader), 0);
  Graph output = conv_bn({}, {"y"}).output("t").build();
  EXPECT_EQ(fold_batch_norm(output), 0);
}

TEST(FoldBatchNormTest, stays_behind_other_operators) {
  Graph graph = GraphBuilder()
                    .input("x", {1, 2})
                    .constant("p", {2}, {1, 1})
                    .node("Relu", {"x"}, {"t"})
                    .node("BatchNormalization", {"t", "p", "p", "p", "p"}, {"y"})
                    .output("y")
                    .build();
  EXPECT_EQ(fold_batch_norm(graph), 0);
  EXPECT_EQ(graph.nodes.size(), 2U);
}

TEST(FoldBatchNormTest, a_shared_weight_is_copied) {
  Graph graph = conv_bn({}, {"y"}).node("Conv", {"x", "w"}, {"z"}).output("z").build();
  EXPECT_EQ(fold_batch_norm(graph), 1);
  check(graph);
  const auto layers = find_layers(graph);
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_NE(layers[0].weight, layers[1].weight);
  EXPECT_EQ(floats_of(graph, layers[1].weight), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_NEAR(floats_of(graph, layers[0].weight)[3], 8.0, 1e-4);
}

TEST(FoldBatchNormTest, two_in_a_row_fold_both) {
  Graph graph = conv_bn({}, {"s"})
                    .node("BatchNormalization", {"s", "scale", "shift", "mean", "var"}, {"y"})
                    .build();
  EXPECT_EQ(fold_batch_norm(graph), 2);
  check(graph);
  EXPECT_NEAR(floats_of(graph, graph.nodes[0].inputs[1])[3], 16.0, 1e-3);
}

TEST(FoldBatchNormTest, negative_variance_is_an_error_that_names_the_node) {
  Graph graph = conv_bn({}, {"y"}).build();
  graph.value(graph.find_value("var").value()).constant =
      Tensor::of<float>(DType::f32, {2}, std::vector<float>{1, -1});
  try {
    fold_batch_norm(graph);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::numeric);
    EXPECT_EQ(error.where(), "node 'n_y'");
  }
}

}  // namespace
}  // namespace qsweep
