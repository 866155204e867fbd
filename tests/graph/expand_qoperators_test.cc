#include <gtest/gtest.h>

#include "src/graph/passes.h"
#include "src/graph/qdq.h"

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::attributes;
using testing::floats_of;
using testing::GraphBuilder;
using testing::ops_of;

Tensor codes(DType dtype, Shape shape, const std::vector<std::int8_t>& values) {
  return Tensor::of<std::int8_t>(dtype, std::move(shape), values);
}
Tensor zero_u8() {
  const std::vector<std::uint8_t> zero = {0};
  return Tensor::of<std::uint8_t>(DType::u8, {}, zero);
}

GraphBuilder linear_conv(bool constant_scale = true) {
  GraphBuilder b;
  b.input("x", {1, 1, 2, 2}, DType::u8);
  if (constant_scale)
    b.constant("xs", {}, {0.5f});
  else
    b.input("xs", {});
  const std::vector<std::int32_t> bias = {3, -4};
  b.constant("xz", zero_u8())
      .constant("w", codes(DType::i8, {2, 1, 1, 1}, {1, -2}))
      .constant("ws", {2}, {0.25f, 0.125f})
      .constant("wz", codes(DType::i8, {2}, {0, 0}))
      .constant("ys", {}, {2.0f})
      .constant("yz", zero_u8())
      .constant("b", Tensor::of<std::int32_t>(DType::i32, {2}, bias))
      .node("QLinearConv", {"x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"}, {"y"},
            attributes({{"group", std::int64_t{1}}}))
      .output("y");
  return b;
}

TEST(ExpandQOperatorsTest, a_convolution_on_codes_becomes_one_between_quantizers) {
  Graph graph = linear_conv().build();
  EXPECT_EQ(expand_qoperators(graph), 1);
  check(graph);
  EXPECT_EQ(ops_of(graph),
            (std::vector<std::string>{"DequantizeLinear", "DequantizeLinear", "DequantizeLinear",
                                      "Conv", "QuantizeLinear"}));
  const Node& conv = graph.nodes[3];
  EXPECT_EQ(conv.name, "n_y") << "the layer keeps the operator's name";
  EXPECT_EQ(conv.attributes.i("group", 0), 1);
  EXPECT_EQ(graph.nodes[1].attributes.i("axis", -9), 0) << "weight scales run along its outputs";
  EXPECT_EQ(floats_of(graph, graph.nodes[2].inputs[1]), (std::vector{0.125f, 0.0625f}))
      << "the bias has the scale x_scale * w_scale";
  EXPECT_EQ(graph.value(graph.nodes[4].outputs[0]).name, "y");
}

TEST(ExpandQOperatorsTest, real_results_are_named_after_their_codes) {
  GraphBuilder b;
  b.input("x_quantized", {1, 2}, DType::u8).constant("s", {}, {0.5f}).constant("z", zero_u8());
  b.constant("w", codes(DType::i8, {2, 1}, {1, 2}))
      .constant("wz", codes(DType::i8, {}, {0}))
      .node("QLinearMatMul", {"x_quantized", "s", "z", "w", "s", "wz", "s", "z"}, {"y_quantized"})
      .node("DequantizeLinear", {"y_quantized", "s", "z"}, {"y"})
      .output("y");
  Graph graph = b.build();
  EXPECT_EQ(expand_qoperators(graph), 1);
  const std::vector<QdqPair> pairs = find_qdq_pairs(graph);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].tensor, "y");
}

TEST(ExpandQOperatorsTest, computed_scales_leave_the_operator_as_it_is) {
  Graph graph = linear_conv(/*constant_scale=*/false).build();
  EXPECT_EQ(expand_qoperators(graph), 0);
  check(graph);
  EXPECT_EQ(ops_of(graph), std::vector<std::string>{"QLinearConv"});
}

TEST(ExpandQOperatorsTest, integer_products_end_in_int32) {
  GraphBuilder b;
  b.input("x", {2, 3}, DType::u8)
      .constant("w", codes(DType::i8, {3, 2}, {1, 2, 3, 4, 5, 6}))
      .constant("xz", zero_u8())
      .node("MatMulInteger", {"x", "w", "xz"}, {"y"})
      .output("y");
  Graph graph = b.build();
  EXPECT_EQ(expand_qoperators(graph), 1);
  check(graph);
  EXPECT_EQ(ops_of(graph),
            (std::vector<std::string>{"DequantizeLinear", "DequantizeLinear", "MatMul", "Cast"}));
  EXPECT_EQ(graph.nodes[0].inputs.size(), 3u);
  EXPECT_EQ(graph.nodes[1].inputs.size(), 2u) << "w has no zero point";
  EXPECT_EQ(graph.nodes[3].attributes.i("to", 0), 6);
}

TEST(ExpandQOperatorsTest, dynamic_quantization_has_one_zero_point_of_the_input) {
  GraphBuilder b;
  b.input("x", {2, 3})
      .constant("w", codes(DType::i8, {3, 2}, {1, 2, 3, 4, 5, 6}))
      .constant("wz", codes(DType::i8, {2}, {0, 1}))
      .node("DynamicQuantizeLinear", {"x"}, {"q", "s", "z"})
      .node("MatMulInteger", {"q", "w", "z", "wz"}, {"y"})
      .output("y");
  Graph graph = b.build();
  EXPECT_EQ(expand_qoperators(graph), 1);
  check(graph);
  EXPECT_EQ(graph.nodes[2].attributes.i("axis", 0), -1);
  EXPECT_EQ(floats_of(graph, graph.nodes[2].inputs[1]), (std::vector{1.0f, 1.0f}))
      << "a scale for each zero point";
}

TEST(ExpandQOperatorsTest, other_operators_stay) {
  GraphBuilder b;
  b.input("x", {1, 2}).node("Relu", {"x"}, {"y"}).output("y");
  Graph graph = b.build();
  EXPECT_EQ(expand_qoperators(graph), 0);
  EXPECT_EQ(ops_of(graph), std::vector<std::string>{"Relu"});
}

}  // namespace
}  // namespace qsweep
