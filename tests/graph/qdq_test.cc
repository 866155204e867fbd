#include "src/graph/qdq.h"

#include <gtest/gtest.h>

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::attributes;
using testing::GraphBuilder;

Tensor zero(DType dtype) {
  const std::vector<std::int8_t> code = {0};
  return Tensor::of<std::int8_t>(dtype, {}, code);
}

/// x -> Q -> DQ -> Q -> DQ -> Conv(int8 weight by channel) -> Relu -> Gemm(float weight)
Graph file() {
  const std::vector<std::int8_t> codes = {1, 2};
  const std::vector<std::int8_t> zeros = {0, 0};
  GraphBuilder b;
  b.input("x", {1, 1, 1, 1})
      .constant("s", {}, {0.5f})
      .constant("s_again", {}, {0.5f})
      .constant("z", zero(DType::i8))
      .constant("w", Tensor::of<std::int8_t>(DType::i8, {2, 1, 1, 1}, codes))
      .constant("ws", {2}, {1.0f, 2.0f})
      .constant("wz", Tensor::of<std::int8_t>(DType::i8, {2}, zeros))
      .constant("v", {2, 3}, {1, 2, 3, 4, 5, 6})
      .node("QuantizeLinear", {"x", "s", "z"}, {"q"})
      .node("DequantizeLinear", {"q", "s", "z"}, {"d"})
      .node("QuantizeLinear", {"d", "s_again", "z"}, {"q2"})
      .node("DequantizeLinear", {"q2", "s_again", "z"}, {"d2"})
      .node("DequantizeLinear", {"w", "ws", "wz"}, {"wd"}, attributes({{"axis", std::int64_t{0}}}))
      .node("Conv", {"d2", "wd"}, {"y"})
      .node("Relu", {"y"}, {"r"})
      .node("Gemm", {"r", "v"}, {"out"})
      .output("out");
  return b.build();
}

TEST(QdqTest, operands_say_how_they_are_stored) {
  const QdqSummary s = summarize_qdq(file());
  EXPECT_EQ(s.quantize, 2);
  EXPECT_EQ(s.dequantize, 3);
  ASSERT_EQ(s.layers.size(), 2u);
  const QdqLayer& conv = s.layers[0];
  EXPECT_TRUE(conv.input.quantized);
  EXPECT_EQ(conv.input.codes, DType::i8);
  EXPECT_EQ(conv.input.axis, -1);
  EXPECT_EQ(conv.weight.axis, 0);
  EXPECT_EQ(conv.weight.scales, 2);
  EXPECT_FALSE(conv.bias.quantized);
  EXPECT_EQ(conv.left_out, "");
}

TEST(QdqTest, what_was_left_out_has_a_reason) {
  const QdqLayer gemm = summarize_qdq(file()).layers.at(1);
  EXPECT_FALSE(gemm.input.quantized);
  EXPECT_FALSE(gemm.weight.quantized);
  EXPECT_EQ(gemm.left_out, "its weight is float32, its input comes from Relu 'n_r' as it is");
}

TEST(QdqTest, a_pair_behind_an_equal_pair_is_redundant) {
  const QdqSummary s = summarize_qdq(file());
  ASSERT_EQ(s.pairs.size(), 2u);
  EXPECT_EQ(s.pairs[0].tensor, "x");
  EXPECT_EQ(s.redundant, std::vector<std::string>{"n_q2"});
}

TEST(QdqTest, a_graph_output_keeps_its_name_through_the_pair) {
  GraphBuilder b;
  b.input("x", {1})
      .constant("s", {}, {0.5f})
      .constant("z", zero(DType::u8))
      .node("Relu", {"x"}, {"out_QuantizeLinear_Input"})
      .node("QuantizeLinear", {"out_QuantizeLinear_Input", "s", "z"}, {"q"})
      .node("DequantizeLinear", {"q", "s", "z"}, {"out"})
      .output("out");
  const Graph graph = b.build();
  const std::vector<QdqPair> pairs = find_qdq_pairs(graph);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].tensor, "out");
  EXPECT_FALSE(summarize_qdq(GraphBuilder().input("x", {1}).output("x").build()).any());
}

TEST(QdqTest, layers_left_in_half_precision_are_listed) {
  const std::vector<std::uint16_t> halves = {0x3C00, 0x4000};
  const Attributes to_half = attributes({{"to", std::int64_t{10}}});
  const Attributes to_float = attributes({{"to", std::int64_t{1}}});
  GraphBuilder b;
  b.input("x", {1, 2})
      .constant("w", Tensor::of<std::uint16_t>(DType::f16, {1, 2}, halves))
      .node("Cast", {"x"}, {"xh"}, to_half)
      .node("Cast", {"xh"}, {"xf"}, to_float)
      .node("Cast", {"w"}, {"wf"}, to_float)
      .node("Transpose", {"wf"}, {"wt"})
      .node("MatMul", {"xf", "wt"}, {"y"})
      .output("y");
  const QdqSummary s = summarize_qdq(b.build());
  ASSERT_EQ(s.layers.size(), 1u);
  EXPECT_EQ(s.layers[0].left_out, "its weight is float16, its input is rounded to float16");
  EXPECT_TRUE(s.any());
}

TEST(QdqTest, a_weight_may_be_moved_behind_its_quantizer) {
  GraphBuilder b;
  b.input("x", {1, 2})
      .constant("w", Tensor::of<std::int8_t>(DType::i4, {1, 2}, std::vector<std::int8_t>{1, -2}))
      .constant("s", {}, {0.5f})
      .node("DequantizeLinear", {"w", "s"}, {"wd"})
      .node("Transpose", {"wd"}, {"wt"})
      .node("MatMul", {"x", "wt"}, {"y"})
      .output("y");
  const QdqSummary s = summarize_qdq(b.build());
  ASSERT_EQ(s.layers.size(), 1u);
  EXPECT_TRUE(s.layers[0].weight.quantized);
  EXPECT_EQ(s.layers[0].weight.codes, DType::i4);
}

TEST(QdqTest, codes_without_a_zero_point_are_of_the_type_that_their_quantizer_names) {
  GraphBuilder b;
  b.input("x", {1, 2})
      .constant("s", {}, {0.5f})
      .constant("w", {2, 1}, {1, 2})
      .node("QuantizeLinear", {"x", "s"}, {"q"}, attributes({{"output_dtype", std::int64_t{17}}}))
      .node("DequantizeLinear", {"q", "s"}, {"d"})
      .node("MatMul", {"d", "w"}, {"y"})
      .output("y");
  EXPECT_EQ(summarize_qdq(b.build()).layers.at(0).input.codes, DType::f8e4m3fn);
}

}  // namespace
}  // namespace qsweep
