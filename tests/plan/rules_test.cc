#include "sweep/plan/rules.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "src/quant/presets.h"

#include "sweep/plan/module_names.h"

#include "tests/plan/layers.h"
#include "tests/support/layer_ids.h"

namespace qsweep {
namespace {

constexpr Format kOff{};
constexpr Format kInt8{.dtype = DType::i8};
constexpr Format kInt8Channel{.dtype = DType::i8, .granularity = Granularity::per_channel};
constexpr Format kFp8{.dtype = DType::f8e4m3fn};

/// Precision names of the layers under these rules.
std::vector<std::string> resolve(const std::vector<QuantRule>& rules,
                                 const std::vector<std::string>& names) {
  PrecisionSet precisions;
  const std::vector<Layer> layers = test::layers_named(names);
  std::vector<std::string> out;
  for (const std::uint8_t p : apply_rules(rules, layers, precisions))
    out.push_back(precisions.at(p).name);
  return out;
}

using Names = std::vector<std::string>;

const Names kVit = {"/patch_embed/proj/Conv",     "/blocks.0/attn/qkv/MatMul",
                    "/blocks.0/mlp/fc1/MatMul",   "/blocks.2/attn/qkv/MatMul",
                    "/blocks.2/attn/proj/MatMul", "/blocks.2/mlp/fc1/MatMul",
                    "/blocks.12/mlp/fc1/MatMul",  "/head/Gemm"};

TEST(RulesTest, hybrid_cfg_on_a_vision_transformer) {
  EXPECT_EQ(
      resolve(find_preset("HYBRID_CFG").rules, kVit),
      (Names{"FP16", "FP16", "FP16", "W8FA8F:tensor", "W8FA8F:tensor", "W8A8S", "W8A8S", "FP16"}));
}

TEST(RulesTest, vit_int8_cfg_keeps_the_six_skips) {
  EXPECT_EQ(resolve(find_preset("VIT_INT8_CFG").rules, kVit),
            (Names{"FP16", "FP16", "FP16", "W8A8S", "W8A8S", "W8A8S", "W8A8S", "FP16"}));
}

TEST(RulesTest, presets_mean_these_precisions) {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"INT8_DEFAULT_CFG", "W8A8S"},        {"INT8_SMOOTHQUANT_CFG", "W8A8S"},
      {"INT8_WEIGHT_ONLY_CFG", "W8A16"},    {"FP8_DEFAULT_CFG", "W8FA8F:tensor"},
      {"INT4_AWQ_CFG", "W4A16:g128"},       {"INT4_BLOCKWISE_WEIGHT_ONLY_CFG", "W4A16:g128"},
      {"W4A8_AWQ_BETA_CFG", "W4A8F:g128"},  {"INT4_WEIGHT_FP8_ACT_CFG", "W4A8F:g128"},
      {"INT8_WEIGHT_FP8_ACT_CFG", "W8A8F"}, {"NVFP4_DEFAULT_CFG", "NVFP4"},
      {"NVFP4_AWQ_LITE_CFG", "NVFP4"},      {"MXFP4_DEFAULT_CFG", "MXFP4"},
      {"MXFP8_DEFAULT_CFG", "MXFP8"}};
  for (const auto& [preset, precision] : table)
    EXPECT_EQ(resolve(find_preset(preset).rules, {"conv"}), Names{precision}) << preset;
}

TEST(RulesTest, later_rules_win) {
  const QuantRule all_off{"*", kOff};
  const QuantRule weights{"*mlp*weight_quantizer", kInt8Channel};
  const QuantRule inputs{"*mlp*input_quantizer", kInt8};
  const Names names = {"mlp.fc1", "attn.qkv"};
  EXPECT_EQ(resolve({all_off, weights, inputs}, names), (Names{"W8A8S", "FP16"}));
  EXPECT_EQ(resolve({weights, inputs, all_off}, names), (Names{"FP16", "FP16"}));
}

TEST(RulesTest, default_is_for_quantizers_that_nothing_else_matches_wherever_it_stands) {
  const QuantRule weights{"fc1.weight_quantizer", kInt8Channel};
  const QuantRule fallback{"default", kFp8};
  for (const auto& rules : {std::vector{fallback, weights}, std::vector{weights, fallback}}) {
    EXPECT_EQ(resolve(rules, {"fc1", "fc2"}), (Names{"W8A8F", "W8FA8F:tensor"}));
  }
  EXPECT_EQ(resolve({weights}, {"fc1", "fc2"}), (Names{"W8A16", "FP16"}));
}

TEST(RulesTest, a_suffix_limits_a_rule_to_one_operand) {
  EXPECT_EQ(resolve({{"*", kInt8}, {"*mlp*input_quantizer", kFp8}}, {"mlp", "attn"}),
            (Names{"W8A8F:tensor", "W8A8S:tensor"}));
  EXPECT_EQ(resolve({{"*", kInt8}, {"*mlp*input_quantizer", kOff}}, {"mlp", "attn"}),
            (Names{"W8A16:tensor", "W8A8S:tensor"}));
  EXPECT_EQ(resolve({{"*", kInt8}, {"*mlp*weight_quantizer", kOff}}, {"mlp", "attn"}),
            (Names{"W16A8S", "W8A8S:tensor"}));
  EXPECT_EQ(resolve({{"*", kInt8}, {"*output_quantizer", kOff}}, {"mlp"}), Names{"W8A8S:tensor"});
  EXPECT_THROW((void)resolve({{"*output_quantizer", kInt8}}, {"mlp"}), Error);
  EXPECT_EQ(resolve({{"re:.*fc[12]\\.weight_quantizer", kInt8}}, {"fc1", "fc3"}),
            (Names{"W8A16:tensor", "FP16"}));
}

TEST(RulesTest, a_name_means_one_layer_and_stars_a_substring) {
  const Names names = {"conv1", "conv10", "model.conv11"};
  EXPECT_EQ(resolve({{"conv1", kInt8}}, names), (Names{"W8A8S:tensor", "FP16", "FP16"}));
  EXPECT_EQ(resolve({{"conv1.weight_quantizer", kInt8}}, names),
            (Names{"W8A16:tensor", "FP16", "FP16"}));
  EXPECT_EQ(resolve({{"*conv1*", kInt8}}, names),
            (Names{"W8A8S:tensor", "W8A8S:tensor", "W8A8S:tensor"}));
}

TEST(RulesTest, a_rule_that_matches_nothing_is_an_error_unless_it_is_optional) {
  try {
    (void)resolve({{"conv2", kInt8}}, {"conv1", "dense"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_EQ(e.hint(), "Did you mean 'conv1'?");
  }
  EXPECT_THROW((void)resolve({{"*nothing*input_quantizer", kInt8}}, {"conv1"}), Error);
  EXPECT_EQ(resolve({{"*nothing*", kOff, true}, {"*", kInt8}}, {"conv1"}), Names{"W8A8S:tensor"});
}

TEST(RulesTest, inputs_have_no_scale_per_channel) {
  try {
    (void)resolve({{"*input_quantizer", kInt8Channel}}, {"conv1"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_TRUE(e.message().find("'*input_quantizer'") != std::string::npos);
  }
}

TEST(RulesTest, first_and_last_are_places) {
  std::vector<QuantRule> rules = find_preset("INT8_DEFAULT_CFG").rules;
  for (const QuantRule& r : skip_rules({"keep-first-last"})) rules.push_back(r);
  EXPECT_EQ(resolve(rules, {"stem", "a", "b", "fc"}), (Names{"FP16", "W8A8S", "W8A8S", "FP16"}));
}

TEST(ExcludeTest, takes_names_and_regular_expressions) {
  const std::vector<Layer> layers = test::layers_named({"/a/Conv", "/head/fc/Gemm", "/head2/Gemm"});
  const auto excluded = [&](const Names& nodes) {
    std::vector<QuantRule> rules = {{"*", kInt8}};
    for (const QuantRule& r : exclude_nodes(nodes, layers)) rules.push_back(r);
    return resolve(rules, {"/a/Conv", "/head/fc/Gemm", "/head2/Gemm"});
  };
  const std::string q = "W8A8S:tensor";
  EXPECT_EQ(excluded({"/head2/Gemm"}), (Names{q, q, "FP16"}));
  EXPECT_EQ(excluded({".*head.*"}), (Names{q, "FP16", "FP16"}));
  EXPECT_EQ(excluded({"head.fc"}), (Names{q, "FP16", q}));
  EXPECT_THROW((void)excluded({"/head3/Gemm"}), Error);
}

TEST(ExcludeTest, takes_operator_types_and_their_short_names) {
  std::vector<Layer> layers = test::layers_named({"a", "b", "c"});
  layers[1].op = "MatMul";
  layers[2].op = "Gemm";
  const Names known = {"Conv", "LayerNormalization", "Softmax"};
  const auto selectors = [&](const Names& types) {
    Names out;
    for (const QuantRule& r : exclude_types(types, layers, known)) out.push_back(r.selector);
    return out;
  };
  EXPECT_EQ(selectors({"MatMul"}), Names{"b"});
  EXPECT_EQ(selectors({"Linear"}), (Names{"c", "b"}));
  EXPECT_EQ(selectors({"LayerNorm", "Softmax"}), Names{});
  try {
    (void)selectors({"LayerNrm"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_TRUE(e.hint().starts_with("Did you mean 'LayerNorm'")) << e.hint();
  }
}

TEST(ModuleNamesTest, map_to_nodes_by_their_parts_in_order) {
  const std::vector<Layer> layers = test::layers_named(
      {"/model.2/m.0/cv1/conv/Conv", "/model.2/m.0/cv2/conv/Conv", "/model.2/cv1/conv/Conv",
       "/blocks.0/attn/qkv/MatMul", "/blocks.10/attn/qkv/MatMul", "conv1", "conv10"});
  const Names modules = {"model.2.m.0.cv1.conv",
                         "model.2.cv1.conv",
                         "blocks.0.attn.qkv",
                         "blocks.10.attn.qkv",
                         "conv1",
                         "conv10",
                         "model.3.cv1.conv",
                         "attn.qkv"};
  const ModuleMap map = map_modules(modules, layers);
  EXPECT_EQ(map.layer, test::layer_ids({0, 2, 3, 4, 5, 6, -1, -1}));
  EXPECT_EQ(map.missing_layers, (Names{"model.3.cv1.conv", "attn.qkv"}));
}

TEST(ModuleNamesTest, patterns_of_dotted_names_hit_path_names) {
  const std::vector<Layer> layers =
      test::layers_named({"/blocks.0/attn/qkv/MatMul", "/blocks.10/attn/qkv/MatMul"});
  EXPECT_EQ(select_layers("*blocks.0.*", layers), test::layer_ids({0}));
  EXPECT_EQ(select_layers("blocks.0.attn.qkv", layers), test::layer_ids({0}));
  EXPECT_THROW((void)select_layers("attn.qkv", layers), Error) << "it says too little";
}

}  // namespace
}  // namespace qsweep
