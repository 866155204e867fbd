#include <gtest/gtest.h>

#include "src/graph/passes.h"

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::attributes;
using testing::GraphBuilder;

/// Knows Neg only.
std::vector<Tensor> negate(const Node& node, int, std::span<const Tensor> operands) {
  if (node.op != "Neg") return {};
  std::vector<float> elements;
  for (const float x : operands[0].data<float>()) elements.push_back(-x);
  return {Tensor::of<float>(DType::f32, operands[0].shape(), elements)};
}

TEST(FoldConstantsTest, folds_chains_and_stops_at_variables_and_unknown_operators) {
  Graph graph = GraphBuilder()
                    .input("x", {2})
                    .constant("c", {2}, {1, 2})
                    .node("Neg", {"c"}, {"minus"})
                    .node("Neg", {"minus"}, {"plus"})
                    .node("Mystery", {"plus"}, {"m"})
                    .node("Neg", {"x"}, {"minus_x"})
                    .node("Sum", {"plus", "m", "minus_x"}, {"y"})
                    .output("y")
                    .build();
  fold_constants(graph, negate);
  check(graph);
  EXPECT_EQ(testing::ops_of(graph), (std::vector<std::string>{"Mystery", "Neg", "Sum"}));
  EXPECT_EQ(testing::floats_of(graph, graph.find_value("plus").value()),
            (std::vector<float>{1, 2}));
}

std::vector<std::int64_t> folded_shape(Shape declared, Attributes range) {
  Graph graph = GraphBuilder()
                    .input("x", std::move(declared))
                    .node("Shape", {"x"}, {"y"}, std::move(range))
                    .output("y")
                    .build();
  fold_constants(graph, negate);
  const auto& constant = graph.value(graph.outputs[0]).constant;
  if (!constant) return {-999};
  const auto data = constant->data<std::int64_t>();
  return {data.begin(), data.end()};
}

TEST(FoldConstantsTest, folds_shape_of_an_input_with_known_extents) {
  using V = std::int64_t;
  using List = std::vector<V>;
  EXPECT_EQ(folded_shape({1, 3, 8, 9}, {}), (List{1, 3, 8, 9}));
  EXPECT_EQ(folded_shape({1, 3, 8, 9}, attributes({{"start", V{-2}}})), (List{8, 9}));
  EXPECT_EQ(folded_shape({1, 3, 8, 9}, attributes({{"start", V{1}}, {"end", V{-1}}})),
            (List{3, 8}));
  EXPECT_EQ(folded_shape({1, 3, 8, 9}, attributes({{"start", V{-9}}, {"end", V{99}}})),
            (List{1, 3, 8, 9}));
  EXPECT_EQ(folded_shape({1, 3, 8, 9}, attributes({{"start", V{3}}, {"end", V{1}}})), List{});
  EXPECT_EQ(folded_shape({-1, 3, 8, 9}, {}), List{-999});  // left for run time
}

}  // namespace
}  // namespace qsweep
