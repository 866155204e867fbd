#include <array>
#include <span>

#include <gtest/gtest.h>

#include "src/graph/layers.h"
#include "src/graph/passes.h"

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::attributes;
using testing::floats_of;
using testing::GraphBuilder;
using testing::ops_of;
using Ops = std::vector<std::string>;
using V = std::int64_t;

TEST(FusePatternsTest, identities_vanish_and_the_interface_keeps_its_names) {
  Graph graph = GraphBuilder()
                    .input("x", {1, 4})
                    .node("Identity", {"x"}, {"a"})
                    .node("Relu", {"a"}, {"b"})
                    .node("Dropout", {"b"}, {"c"})
                    .node("Identity", {"c"}, {"y"})
                    .output("y")
                    .build();
  fuse_patterns(graph);
  check(graph);
  EXPECT_EQ(ops_of(graph), Ops{"Relu"});
  EXPECT_EQ(graph.nodes[0].inputs, graph.inputs);
  EXPECT_EQ(graph.nodes[0].outputs, graph.outputs);
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
}

/// x[..., ::2, :][..., 1::2] as exporters write a detector's focus, axes as given.
Graph two_slices(V first_axis, V second_axis, bool also_between = false) {
  const auto ints = [](V value) { return Tensor::of<V>(DType::i64, {1}, std::array{value}); };
  GraphBuilder builder;
  builder.input("x", {1, 3, 8, 8})
      .constant("zero", ints(0))
      .constant("one", ints(1))
      .constant("end", ints(1 << 30))
      .constant("two", ints(2))
      .constant("first", ints(first_axis))
      .constant("second", ints(second_axis))
      .node("Slice", {"x", "zero", "end", "first", "two"}, {"rows"})
      .node("Slice", {"rows", "one", "end", "second", "two"}, {"y"})
      .output("y");
  if (also_between) builder.output("rows");
  return builder.build();
}

TEST(FusePatternsTest, slices_along_different_axes_become_one) {
  Graph graph = two_slices(2, 3);
  fuse_patterns(graph);
  check(graph);
  ASSERT_EQ(ops_of(graph), Ops{"Slice"});
  std::vector<std::vector<V>> bounds;
  for (const ValueId operand : std::span(graph.nodes[0].inputs).subspan(1)) {
    const auto data = graph.value(operand).constant->data<V>();
    bounds.emplace_back(data.begin(), data.end());
  }
  EXPECT_EQ(graph.nodes[0].inputs[0], graph.inputs[0]);
  EXPECT_EQ(bounds, (std::vector<std::vector<V>>{{0, 1}, {1 << 30, 1 << 30}, {2, 3}, {2, 2}}));
}

TEST(FusePatternsTest, slices_stay_where_axes_may_meet_or_the_first_is_an_output) {
  for (Graph graph : {two_slices(2, 2), two_slices(2, -1), two_slices(2, 3, true)}) {
    fuse_patterns(graph);
    check(graph);
    EXPECT_EQ(ops_of(graph), (Ops{"Slice", "Slice"}));
  }
}

TEST(FusePatternsTest, an_identity_between_an_input_and_an_output_stays) {
  Graph graph = GraphBuilder().input("x", {1}).node("Identity", {"x"}, {"y"}).output("y").build();
  fuse_patterns(graph);
  check(graph);
  EXPECT_EQ(ops_of(graph), Ops{"Identity"});
}

TEST(FusePatternsTest, the_result_of_a_node_may_be_an_output_under_two_names) {
  Graph graph = GraphBuilder()
                    .input("x", {1})
                    .node("Relu", {"x"}, {"r"})
                    .node("Identity", {"r"}, {"y"})
                    .node("Neg", {"r"}, {"z"})
                    .output("r")
                    .output("y")
                    .output("z")
                    .build();
  fuse_patterns(graph);
  check(graph);
  EXPECT_EQ(ops_of(graph), (Ops{"Relu", "Identity", "Neg"}));
}

TEST(FusePatternsTest, readers_follow_when_an_output_takes_over) {
  Graph graph = GraphBuilder()
                    .input("x", {1})
                    .node("Relu", {"x"}, {"r"})
                    .node("Identity", {"r"}, {"y"})
                    .node("Neg", {"r"}, {"z"})
                    .output("y")
                    .output("z")
                    .build();
  fuse_patterns(graph);
  check(graph);
  EXPECT_EQ(ops_of(graph), (Ops{"Relu", "Neg"}));
}

TEST(FusePatternsTest, dropout_stays_while_its_mask_or_training_matters) {
  Graph mask = GraphBuilder()
                   .input("x", {1})
                   .node("Dropout", {"x"}, {"a", "mask"})
                   .node("Where", {"mask", "a", "a"}, {"y"})
                   .output("y")
                   .build();
  fuse_patterns(mask);
  EXPECT_EQ(mask.nodes.size(), 2U);

  const auto with_training = [](std::uint8_t on) {
    Graph graph =
        GraphBuilder()
            .input("x", {1})
            .constant("train", Tensor::of<std::uint8_t>(DType::boolean, {}, std::span(&on, 1)))
            .node("Dropout", {"x", "", "train"}, {"a", "mask"})
            .node("Relu", {"a"}, {"y"})
            .output("y")
            .build();
    fuse_patterns(graph);
    return graph.nodes.size();
  };
  EXPECT_EQ(with_training(0), 1U);
  EXPECT_EQ(with_training(1), 2U);
}

TEST(FusePatternsTest, casts_vanish_only_where_the_type_is_certain) {
  const auto remaining = [](DType input, V to, const std::string& before) {
    Graph graph = GraphBuilder()
                      .input("x", {1}, input)
                      .node(before, {"x"}, {"a"})
                      .node("Cast", {"a"}, {"b"}, attributes({{"to", to}}))
                      .node("Neg", {"b"}, {"y"})
                      .output("y")
                      .build();
    fuse_patterns(graph);
    return graph.nodes.size();
  };
  EXPECT_EQ(remaining(DType::f32, 1, "Relu"), 2U);
  EXPECT_EQ(remaining(DType::f32, 10, "Relu"), 3U);
  EXPECT_EQ(remaining(DType::f16, 1, "Relu"), 3U);
  EXPECT_EQ(remaining(DType::f32, 1, "Shape"), 3U);
}

Graph matmul_add(bool bias_first, Shape bias_shape, bool second_reader) {
  const auto count = static_cast<std::size_t>(element_count(bias_shape));
  GraphBuilder builder;
  builder.input("x", {1, 2})
      .constant("w", {2, 3}, {1, 2, 3, 4, 5, 6})
      .constant("b", std::move(bias_shape), std::vector<float>(count, 1.0F))
      .node("MatMul", {"x", "w"}, {"p"})
      .node("Add", bias_first ? Ops{"b", "p"} : Ops{"p", "b"}, {"y"})
      .output("y");
  if (second_reader) builder.node("Relu", {"p"}, {"z"}).output("z");
  Graph graph = builder.build();
  fuse_patterns(graph);
  check(graph);
  return graph;
}

TEST(FusePatternsTest, matmul_and_add_become_one_layer) {
  for (const bool bias_first : {false, true}) {
    const Graph graph = matmul_add(bias_first, {3}, false);
    ASSERT_EQ(ops_of(graph), Ops{"MatMul"});
    EXPECT_EQ(graph.nodes[0].outputs, graph.outputs);
    const auto layers = find_layers(graph);
    ASSERT_EQ(layers.size(), 1U);
    EXPECT_EQ(graph.value(layers[0].bias).name, "b");
  }
}

TEST(FusePatternsTest, an_identity_does_not_stand_between_matmul_and_add) {
  Graph graph = GraphBuilder()
                    .input("x", {1, 2})
                    .constant("w", {2, 3}, {1, 2, 3, 4, 5, 6})
                    .constant("b", {3}, {1, 2, 3})
                    .node("MatMul", {"x", "w"}, {"p"})
                    .node("Identity", {"p"}, {"q"})
                    .node("Add", {"q", "b"}, {"y"})
                    .output("y")
                    .build();
  fuse_patterns(graph);
  check(graph);
  EXPECT_EQ(ops_of(graph), Ops{"MatMul"});
}

TEST(FusePatternsTest, matmul_and_add_stay_apart_where_they_are_not_a_layer) {
  EXPECT_EQ(matmul_add(false, {3}, true).nodes.size(), 3U);   // someone else reads the product
  EXPECT_EQ(matmul_add(false, {1}, false).nodes.size(), 2U);  // not one element per column
  EXPECT_EQ(matmul_add(false, {1, 3}, false).nodes.size(), 2U);
}

TEST(FusePatternsTest, gemm_loses_alpha_beta_and_broadcast) {
  Graph graph =
      GraphBuilder()
          .input("x", {1, 2})
          .constant("w", {2, 3}, {1, 2, 3, 4, 5, 6})
          .constant("b", {1, 3}, {1, 2, 3})
          .constant("s", Tensor::of<float>(DType::f32, {}, std::vector<float>{5}))
          .node("Gemm", {"x", "w", "b"}, {"y"}, attributes({{"alpha", 2.0F}, {"beta", 0.5F}}))
          .node("Gemm", {"x", "w", "s"}, {"z"})
          .node("Gemm", {"x", "w"}, {"u"}, attributes({{"beta", 3.0F}}))
          .output("y")
          .output("z")
          .output("u")
          .build();
  fuse_patterns(graph);
  check(graph);
  const auto layers = find_layers(graph);
  ASSERT_EQ(layers.size(), 3U);
  // The weight is shared: the scaled one is a copy of its own.
  EXPECT_EQ(floats_of(graph, layers[0].weight), (std::vector<float>{2, 4, 6, 8, 10, 12}));
  EXPECT_EQ(floats_of(graph, layers[0].bias), (std::vector<float>{0.5F, 1, 1.5F}));
  EXPECT_EQ(floats_of(graph, layers[1].weight), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(floats_of(graph, layers[1].bias), (std::vector<float>{5, 5, 5}));
}

}  // namespace
}  // namespace qsweep
