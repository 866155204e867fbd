#include "io/config/rules.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "src/quant/presets.h"

#include "io/config/job.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::TempDir;

QuantConfig load(const std::string& text) {
  const TempDir dir;
  const std::filesystem::path path = dir.path() / "rules.yaml";
  std::ofstream(path) << text;
  return load_rules(path);
}

std::string error_of(const std::string& text) {
  try {
    (void)load(text);
  } catch (const Error& e) {
    return e.message() + "|" + e.hint();
  }
  return "accepted";
}

std::vector<std::string> as_json(const std::vector<QuantRule>& rules) {
  std::vector<std::string> text;
  for (const QuantRule& r : rules) text.push_back(to_json(r));
  return text;
}

TEST(RuleFileTest, python_configurations_can_be_pasted) {
  const QuantConfig config = load(R"({
    "quant_cfg": {
        # MLP layers: INT8
        "*mlp*weight_quantizer": {"num_bits": 8, "axis": 0},
        "*mlp*input_quantizer": {"num_bits": 8, "axis": None},
        "*attn*weight_quantizer": {"num_bits": (4, 3), "axis": None},   # FP8 (E4M3)
        "*attn*input_quantizer": {"num_bits": (4, 3), "axis": None},
        "*patch_embed*": {"enable": False},
        "*blocks.0.*": {"enable": False},
        "*blocks.1.*": {"enable": False},
        "*norm*": {"enable": False},
        "*head*": {"enable": False},
        "default": {"enable": False},
    },
    "algorithm": "smoothquant",
})");
  EXPECT_EQ(config.algorithm, "smoothquant");
  EXPECT_EQ(as_json(config.rules), as_json(find_preset("HYBRID_CFG").rules));
}

TEST(RuleFileTest, one_layer_alone) {
  const QuantConfig config = load(R"({
    "*": {"enable": False},
    "*blocks.3.mlp.fc1*weight_quantizer": {"num_bits": 8, "axis": 0},
    "*blocks.3.mlp.fc1*input_quantizer": {"num_bits": 8, "axis": None},
})");
  EXPECT_EQ(config.algorithm, "");
  EXPECT_EQ(as_json(config.rules),
            (std::vector<std::string>{
                R"("*": {"enable": false})",
                R"("*blocks.3.mlp.fc1*weight_quantizer": {"num_bits": 8, "axis": 0})",
                R"("*blocks.3.mlp.fc1*input_quantizer": {"num_bits": 8, "axis": null})"}));
  for (const QuantRule& r : config.rules) EXPECT_FALSE(r.optional);
}

TEST(RuleFileTest, every_preset_reads_back) {
  for (const Preset& p : known_presets()) {
    const QuantConfig config = load(to_json(p));
    EXPECT_EQ(config.algorithm, weight_algorithm_name(p.algorithm)) << p.name;
    EXPECT_EQ(as_json(config.rules), as_json(p.rules)) << p.name;
  }
}

TEST(RuleFileTest, lists_keep_repeated_selectors_in_order) {
  const QuantConfig config =
      load("- '*': {num_bits: 8}\n- conv1: {enable: false}\n- '*': {num_bits: 4}\n");
  ASSERT_EQ(config.rules.size(), 3u);
  EXPECT_EQ(config.rules[2].selector, "*");
  EXPECT_EQ(config.rules[2].format.dtype, DType::i4);
}

TEST(RuleFileTest, patterns_are_left_as_they_are) {
  const QuantConfig config =
      load("- re:.*(fc1|fc2): {enable: false}  # don't\n- 'a(4, 3)None': {num_bits: (4,3)}\n");
  EXPECT_EQ(config.rules.at(0).selector, "re:.*(fc1|fc2)");
  EXPECT_EQ(config.rules.at(1).selector, "a(4, 3)None");
  EXPECT_EQ(config.rules.at(1).format.dtype, DType::f8e4m3fn);
}

TEST(RuleFileTest, algorithms_with_options_and_sequential_formats_are_read) {
  const QuantConfig config = load(
      R"({"quant_cfg": {"*weight_quantizer": [{"num_bits": 4, "block_sizes": {-1: 128, "type": "static"}, "enable": True}, {"num_bits": (4, 3), "axis": None}]}, "algorithm": {"method": "awq_lite", "alpha_step": 0.1}})");
  EXPECT_EQ(config.algorithm, "awq_lite");
  EXPECT_EQ(as_json(config.rules),
            (std::vector<std::string>{
                R"("*weight_quantizer": {"num_bits": 4, "block_sizes": {"-1": 128}})"}));
}

TEST(RuleFileTest, mistakes_are_named) {
  EXPECT_EQ(error_of("'*': {num_bit: 8}"), "unknown key 'num_bit'|Did you mean 'num_bits'?");
  EXPECT_EQ(error_of("'*': {num_bits: 3}"),
            "'*': num_bits 3 has no format|Use 4, 8, 16, [4, 3], [5, 2] or [2, 1]");
  EXPECT_TRUE(error_of("'*': {num_bits: 8, axis: 1}").starts_with("'*': axis 1 is not served"));
  EXPECT_TRUE(error_of("'*': 8").starts_with("'*' must be a mapping"));
  EXPECT_TRUE(error_of("'*': {block_sizes: {-2: 16}}").starts_with("unknown key '-2'"));
  EXPECT_TRUE(error_of("just text").find("must map selectors") != std::string::npos);
  EXPECT_THROW((void)load_rules("/nowhere/rules.yaml"), Error);
}

constexpr const char* kJob = R"(model: net.onnx
data:
  calibration: {format: cifar10, path: train.bin}
  evaluation: {format: cifar10, path: test.bin}
quantization:
  preset: hybrid_cfg
  rules: {"*mlp*weight_quantizer": {num_bits: 4, block_sizes: {-1: 32}}}
  skip: [keep-first-last, "*stem*"]
  nodes_to_exclude: [".*head.*"]
  op_types_to_exclude: [LayerNorm]
  weights: {type: QUInt8}
  activations: {type: QInt8}
)";

TEST(JobRulesTest, preset_and_rules_are_read_and_written_back) {
  const JobConfig job = parse_job(kJob, "/jobs/job.yaml");
  EXPECT_EQ(job.quantization.preset, "HYBRID_CFG");
  EXPECT_EQ(as_json(job.quantization.rules),
            (std::vector<std::string>{
                R"("*mlp*weight_quantizer": {"num_bits": 4, "block_sizes": {"-1": 32}})"}));
  EXPECT_EQ(job.quantization.skip, (std::vector<std::string>{"keep-first-last", "*stem*"}));
  EXPECT_EQ(job.quantization.exclude_nodes, std::vector<std::string>{".*head.*"});
  EXPECT_EQ(job.quantization.exclude_types, std::vector<std::string>{"LayerNorm"});
  EXPECT_EQ(job.quantization.weight_type, "uint8");
  EXPECT_EQ(job.quantization.activation_type, "int8");
  EXPECT_TRUE(job.quantization.has_rules());
  EXPECT_EQ(parse_job(to_yaml(job), "/elsewhere/run_config.yaml"), job);
}

JobConfig with(const std::string& override_text) {
  return parse_job(
      "model: net.onnx\ndata:\n  calibration: {format: cifar10, path: train.bin}\n"
      "  evaluation: {format: cifar10, path: test.bin}\n",
      "/jobs/job.yaml", {override_text});
}

TEST(JobRulesTest, weights_may_be_smoothed_by_layer_and_biases_corrected) {
  EXPECT_EQ(with("quantization.algorithm=awq_full").quantization.algorithm, "awq_full");
  EXPECT_EQ(with("quantization.smoothquant_alpha=0.8").quantization.smoothquant_alpha, 0.8);
  const JobConfig job = with("quantization={smoothquant_alpha: auto, bias_correction: true}");
  EXPECT_TRUE(job.quantization.smoothquant_alpha_auto);
  EXPECT_TRUE(job.quantization.bias_correction);
  EXPECT_EQ(parse_job(to_yaml(job), "again.yaml").quantization, job.quantization);
  EXPECT_THROW((void)with("quantization.smoothquant_alpha=1.5"), Error);
  EXPECT_THROW((void)with("quantization.algorithm=gptq"), Error);
}

TEST(JobRulesTest, the_algorithm_is_the_written_one_else_the_presets) {
  EXPECT_EQ(with("quantization.preset=INT4_AWQ_CFG").quantization.algorithm, "awq_lite");
  EXPECT_EQ(with("quantization.preset=INT8_DEFAULT_CFG").quantization.algorithm, "rtn");
  EXPECT_EQ(with("quantization={preset: INT4_AWQ_CFG, algorithm: mse}").quantization.algorithm,
            "mse");
  const auto with_rules = [](const std::string& algorithm) {
    return with("quantization={preset: INT4_AWQ_CFG, rules: {algorithm: " + algorithm +
                R"(, quant_cfg: {"*fc*weight_quantizer": {num_bits: 8}}}})")
        .quantization.algorithm;
  };
  EXPECT_EQ(with_rules("awq_clip"), "awq_clip");
  EXPECT_EQ(with_rules("max"), "awq_lite");
}

TEST(JobRulesTest, unknown_presets_and_channel_activations_are_refused) {
  try {
    (void)with("quantization.preset=INT8_DEFAULT");
    FAIL();
  } catch (const Error& e) {
    EXPECT_TRUE(e.hint().find("INT8_DEFAULT_CFG") != std::string::npos) << e.what();
  }
  EXPECT_NO_THROW((void)with("quantization.activations.axis=tensor"));
  try {
    (void)with("quantization.activations.axis=channel");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_TRUE(e.message().find("scale") != std::string::npos) << e.what();
  }
}

TEST(JobRulesTest, presets_with_quantized_activations_need_calibration_data) {
  const auto job = [](const std::string& preset) {
    return parse_job(
        "model: net.onnx\ndata:\n  evaluation: {format: cifar10, path: test.bin}\n"
        "sensitivity: {precisions: [W4A16]}\nquantization: {preset: " +
            preset + "}\n",
        "/jobs/job.yaml");
  };
  EXPECT_THROW((void)job("INT8_DEFAULT_CFG"), Error);
  EXPECT_THROW((void)job("NVFP4_DEFAULT_CFG"), Error);
  EXPECT_NO_THROW((void)job("INT8_WEIGHT_ONLY_CFG"));
  EXPECT_NO_THROW((void)job("MXFP4_DEFAULT_CFG"));
}

}  // namespace
}  // namespace qsweep
