#include "src/graph/layers.h"

#include <numeric>

#include <gtest/gtest.h>

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::attributes;
using testing::GraphBuilder;
using V = std::int64_t;

Tensor ones(Shape shape, DType dtype = DType::f32) {
  Tensor tensor(dtype, std::move(shape));
  std::fill_n(static_cast<char*>(tensor.mutable_raw()), tensor.bytes(), char{1});
  return tensor;
}

std::vector<Layer> layers_of(const std::string& op,
                             Tensor weight,
                             const Attributes& list = {},
                             std::optional<Tensor> bias = std::nullopt) {
  GraphBuilder builder;
  builder.input("x", {1, 8}).constant("w", std::move(weight));
  if (bias) builder.constant("b", *bias);
  builder.node(op,
               bias ? std::vector<std::string>{"x", "w", "b"} : std::vector<std::string>{"x", "w"},
               {"y"}, list);
  return find_layers(builder.output("y").build());
}

TEST(LayersTest, conv) {
  const auto layers = layers_of("Conv", ones({6, 4, 3, 3}), {}, ones({6}));
  ASSERT_EQ(layers.size(), 1U);
  EXPECT_EQ(layers[0].op, "Conv");
  EXPECT_EQ(layers[0].output_axis, 0);
  EXPECT_EQ(layers[0].input_axis, 1);
  EXPECT_EQ(layers[0].parameters, 6 * 4 * 9 + 6);
  EXPECT_FALSE(layers[0].is_depthwise);
  EXPECT_NE(layers[0].bias, kNoValue);
}

TEST(LayersTest, depthwise_conv) {
  EXPECT_TRUE(layers_of("Conv", ones({8, 1, 3, 3}), attributes({{"group", V{8}}}))[0].is_depthwise);
  EXPECT_FALSE(
      layers_of("Conv", ones({8, 2, 3, 3}), attributes({{"group", V{4}}}))[0].is_depthwise);
  EXPECT_FALSE(layers_of("Conv", ones({8, 1, 3, 3}))[0].is_depthwise);  // one input channel
}

TEST(LayersTest, conv_transpose_counts_channels_over_groups) {
  const auto layers =
      layers_of("ConvTranspose", ones({8, 3, 2, 2}), attributes({{"group", V{2}}}), ones({6}));
  ASSERT_EQ(layers.size(), 1U);
  EXPECT_EQ(layers[0].output_axis, 1);
  EXPECT_EQ(layers[0].input_axis, 0);
}

TEST(LayersTest, gemm_axes_follow_trans_b) {
  EXPECT_EQ(layers_of("Gemm", ones({8, 5}))[0].output_axis, 1);
  EXPECT_EQ(layers_of("Gemm", ones({5, 8}), attributes({{"transB", V{1}}}))[0].output_axis, 0);
}

TEST(LayersTest, matmul_with_and_without_bias) {
  EXPECT_EQ(layers_of("MatMul", ones({8, 5}))[0].bias, kNoValue);
  EXPECT_EQ(layers_of("MatMul", ones({8, 5}), {}, ones({5}))[0].parameters, 45);
}

TEST(LayersTest, other_forms_are_not_layers) {
  EXPECT_TRUE(layers_of("MatMul", ones({2, 8, 5})).empty());
  EXPECT_TRUE(layers_of("MatMul", ones({8, 5}, DType::i32)).empty());
  EXPECT_TRUE(layers_of("Gemm", ones({8, 5}), attributes({{"transA", V{1}}})).empty());
  EXPECT_TRUE(layers_of("Gemm", ones({8, 5}), attributes({{"alpha", 2.0F}})).empty());
  EXPECT_TRUE(layers_of("Gemm", ones({8, 5}), {}, ones({4, 5})).empty());
  EXPECT_TRUE(layers_of("Conv", ones({6, 4, 3, 3}), {}, ones({1})).empty());
  EXPECT_TRUE(layers_of("Relu", ones({8, 5})).empty());
  const Graph variable = GraphBuilder()
                             .input("x", {1, 8})
                             .input("w", {8, 5})
                             .node("MatMul", {"x", "w"}, {"y"})
                             .output("y")
                             .build();
  EXPECT_TRUE(find_layers(variable).empty());
}

TEST(LayersTest, groups_come_from_names) {
  const std::pair<const char*, const char*> cases[] = {
      {"stack1.conv1", "stack1"},
      {"stem.conv1", "stem"},
      {"dense", "dense"},
      {"Conv_41", "Conv_41"},
      {"layer2.0.conv1", "layer2.0"},
      {"model.24.m.0", "model.24"},
      {"mlp_head.1", "mlp_head"},
      {"/model.22/cv2.0/cv2.0.0/conv/Conv", "model.22"},
      {"/level2_0/eesp/proj_1x1/conv/Conv", "level2_0"},
      {"/level4.4/spp_dw.1/conv/Conv", "level4.4"},
      {"/blocks.3/attn/qkv/MatMul", "blocks.3.attn"},
      {"/blocks.3/mlp/fc1/MatMul", "blocks.3.mlp"},
      {"transformer.layers.5.self_attn.out_proj.matmul", "transformer.layers.5.self_attn"},
      {"transformer.layers.5.linear1.matmul", "transformer.layers.5.mlp"},
      {"encoder.2.fc2", "encoder.2.mlp"},
      {"model/activation_24/Relu;model/batch_normalization_24/FusedBatchNormV3", "activation_24"},
      {"model/dense/MatMul;model/dense/BiasAdd", "dense"},
      {"model.conv", "model"},
      {"/", "/"},
      {"", ""},
  };
  for (const auto& [name, group] : cases) EXPECT_EQ(group_of(name), group) << name;
}

/// A detector of nine convolutions: two strides down, one back up beside a shortcut, two outputs.
Graph detector() {
  GraphBuilder b;
  b.input("x", {1, 3, 32, 32});
  int count = 0;
  const auto conv = [&](const std::string& from, const std::string& to, V stride) {
    const std::string weight = "w" + std::to_string(++count);
    b.constant(weight, ones({3, 3, 1, 1}));
    b.node("Conv", {from, weight}, {to}, attributes({{"strides", std::vector<V>{stride, stride}}}));
  };
  conv("x", "c1", 2);
  conv("c1", "c2", 2);
  conv("c2", "c3", 1);
  b.node("Add", {"c2", "c3"}, {"p4"});
  conv("p4", "c4", 2);
  conv("c4", "c5", 1);
  b.constant("scales", {4}, {1, 1, 2, 2});
  b.node("Resize", {"c5", "", "scales"}, {"up"});
  b.node("Concat", {"up", "p4"}, {"joined"}, attributes({{"axis", V{1}}}));
  b.constant("w", ones({3, 6, 1, 1}));
  b.node("Conv", {"joined", "w"}, {"n1"});
  conv("n1", "down", 2);
  b.node("Concat", {"down", "c5"}, {"low"}, attributes({{"axis", V{1}}}));
  b.constant("v", ones({3, 6, 1, 1}));
  b.node("Conv", {"low", "v"}, {"h2"});
  conv("n1", "h1", 1);
  conv("h1", "boxes", 1);
  b.node("Concat", {"h2", "boxes"}, {"y"}, attributes({{"axis", V{1}}}));
  return b.output("y").build();
}

TEST(LayersTest, blocks_come_from_the_structure_where_names_tell_none) {
  std::vector<std::string> blocks;
  for (const Layer& layer : find_layers(detector()))
    blocks.push_back(layer.name.substr(2) + " " + layer.group);
  const std::vector<std::string> want = {
      "c1 stem",   "c2 backbone/4", "c3 backbone/4", "c4 backbone/8", "c5 backbone/8",
      "n1 neck/4", "down neck/8",   "h2 head/8",     "h1 head/4",     "boxes head/4"};
  EXPECT_EQ(blocks, want);
}

TEST(LayersTest, one_name_that_is_a_path_keeps_the_blocks_of_names) {
  Graph graph = detector();
  graph.nodes[0].name = "backbone.0.conv";
  const auto layers = find_layers(graph);
  EXPECT_EQ(layers[0].group, "backbone.0");
  EXPECT_EQ(layers[1].group, "n_c2");
}

}  // namespace
}  // namespace qsweep
