#include "src/quant/presets.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

constexpr Format kOff{};
constexpr Format kInt8Channel{.dtype = DType::i8, .granularity = Granularity::per_channel};
constexpr Format kInt8{.dtype = DType::i8};
constexpr Format kFp8{.dtype = DType::f8e4m3fn};
constexpr Format kInt4Blocks{
    .dtype = DType::i4, .granularity = Granularity::per_block, .block_size = 128};
constexpr Format kNvfp4{.dtype = DType::f4e2m1,
                        .granularity = Granularity::per_block,
                        .scale = ScaleFormat::e4m3,
                        .block_size = 16};
constexpr Format kMxfp4{.dtype = DType::f4e2m1,
                        .granularity = Granularity::per_block,
                        .scale = ScaleFormat::e8m0,
                        .block_size = 32};
constexpr Format kMxfp8{.dtype = DType::f8e4m3fn,
                        .granularity = Granularity::per_block,
                        .scale = ScaleFormat::e8m0,
                        .block_size = 32};

constexpr std::string_view kIntegerUnits = "INT8 units";
constexpr std::string_view kFp8Units = "FP8 units (Hopper, Ada or newer)";
constexpr std::string_view kWeightKernels = "weight-only kernels";
constexpr std::string_view kBlackwell = "Blackwell";

QuantRule rule(std::string_view selector, const Format& format) {
  return {std::string(selector), format, true};
}

/// Every layer's weight and input, nothing else.
std::vector<QuantRule> everywhere(const Format& weight, const Format& input) {
  return {rule("*weight_quantizer", weight), rule("*input_quantizer", input),
          rule("default", kOff)};
}

std::vector<QuantRule> without(std::vector<QuantRule> rules,
                               std::initializer_list<std::string_view> patterns) {
  for (const std::string_view pattern : patterns)
    rules.insert(rules.end() - 1, rule(pattern, kOff));  // `default` stays last
  return rules;
}

std::vector<Preset> make_presets() {
  return {
      {"INT8_DEFAULT_CFG", "INT8 weights per channel, INT8 activations", "max", kIntegerUnits, "",
       everywhere(kInt8Channel, kInt8)},
      {"INT8_SMOOTHQUANT_CFG", "INT8 with activation outliers moved into the weights",
       "smoothquant", kIntegerUnits, "", everywhere(kInt8Channel, kInt8)},
      {"INT8_WEIGHT_ONLY_CFG", "INT8 weights per channel, activations untouched", "max",
       kWeightKernels, "w8a16", everywhere(kInt8Channel, kOff)},
      {"FP8_DEFAULT_CFG", "FP8 E4M3 weights and activations, per tensor", "max", kFp8Units, "",
       everywhere(kFp8, kFp8)},
      {"INT4_AWQ_CFG", "INT4 weights in blocks of 128, scaled by activation magnitude", "awq_lite",
       kWeightKernels, "", everywhere(kInt4Blocks, kOff)},
      {"INT4_BLOCKWISE_WEIGHT_ONLY_CFG", "INT4 weights in blocks of 128", "max", kWeightKernels,
       "w4a16", everywhere(kInt4Blocks, kOff)},
      {"W4A8_AWQ_BETA_CFG", "INT4 weights in blocks of 128 by AWQ, FP8 activations", "awq_lite",
       kFp8Units, "", everywhere(kInt4Blocks, kFp8)},
      {"INT4_WEIGHT_FP8_ACT_CFG", "INT4 weights in blocks of 128, FP8 activations", "max",
       kFp8Units, "w4a8", everywhere(kInt4Blocks, kFp8)},
      {"INT8_WEIGHT_FP8_ACT_CFG", "INT8 weights per channel, FP8 activations", "max", kFp8Units, "",
       everywhere(kInt8Channel, kFp8)},
      {"NVFP4_DEFAULT_CFG", "NVFP4 weights and activations", "max", kBlackwell, "",
       everywhere(kNvfp4, kNvfp4)},
      {"NVFP4_AWQ_LITE_CFG", "NVFP4 weights and activations, scaled by activation magnitude",
       "awq_lite", kBlackwell, "", everywhere(kNvfp4, kNvfp4)},
      {"MXFP4_DEFAULT_CFG", "MXFP4 weights and activations", "max", kBlackwell, "",
       everywhere(kMxfp4, kMxfp4)},
      {"MXFP8_DEFAULT_CFG", "MXFP8 weights and activations", "max", kBlackwell, "",
       everywhere(kMxfp8, kMxfp8)},
      {"VIT_INT8_CFG", "SmoothQuant INT8 for vision transformers, sensitive parts kept",
       "smoothquant", kIntegerUnits, "",
       without(everywhere(kInt8Channel, kInt8),
               {"*patch_embed*", "*blocks.0.*", "*blocks.1.*", "*norm*", "*head*", "*decoder*"})},
      {"HYBRID_CFG", "INT8 in the MLPs, FP8 in attention, sensitive parts kept", "smoothquant",
       "INT8 and FP8 units (Hopper, Ada or newer)", "",
       without({rule("*mlp*weight_quantizer", kInt8Channel), rule("*mlp*input_quantizer", kInt8),
                rule("*attn*weight_quantizer", kFp8), rule("*attn*input_quantizer", kFp8),
                rule("default", kOff)},
               {"*patch_embed*", "*blocks.0.*", "*blocks.1.*", "*norm*", "*head*"})},
  };
}

std::vector<SkipList> make_skip_lists() {
  return {
      {"vit-skip",
       "parts of a vision transformer that lose most",
       {"*patch_embed*", "*blocks.0.*", "*blocks.1.*", "*norm*", "*head*", "*decoder*"}},
      {"vit-skip-min",
       "the shorter list, for a model that is fine-tuned afterwards",
       {"*patch_embed*", "*blocks.0.*", "*norm*", "*head*"}},
      {"keep-first-last",
       "the first and the last layer, whatever their names",
       {"@first", "@last"}},
  };
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

const std::vector<Preset>& known_presets() {
  static const std::vector<Preset> presets = make_presets();
  return presets;
}

const std::vector<SkipList>& known_skip_lists() {
  static const std::vector<SkipList> lists = make_skip_lists();
  return lists;
}

const Preset& find_preset(std::string_view name) {
  const std::string wanted = lower(name);
  std::vector<std::string> names;
  for (const Preset& p : known_presets()) {
    if (lower(p.name) == wanted || (!p.family.empty() && p.family == wanted)) return p;
    names.emplace_back(p.name);
  }
  std::string hint = did_you_mean(name, names);
  if (hint.empty()) hint = "List them with `qsweep presets list`";
  throw Error(ErrorCode::config, fmt::format("unknown preset '{}'", name), {}, hint);
}

std::vector<QuantRule> skip_rules(const std::vector<std::string>& patterns) {
  std::vector<QuantRule> rules;
  for (const std::string& pattern : patterns) {
    const auto list = std::ranges::find(known_skip_lists(), pattern, &SkipList::name);
    if (list == known_skip_lists().end()) {
      rules.push_back({pattern, kOff});
    } else {
      for (const std::string_view skipped : list->patterns) rules.push_back(rule(skipped, kOff));
    }
  }
  return rules;
}

const Preset& preset_of_mode(std::string_view mode) {
  if (mode == "int8") return find_preset("INT8_DEFAULT_CFG");
  if (mode == "fp8") return find_preset("FP8_DEFAULT_CFG");
  if (mode == "int4") return find_preset("INT4_BLOCKWISE_WEIGHT_ONLY_CFG");
  throw Error(ErrorCode::config, fmt::format("unknown quantize mode '{}'", mode), {},
              "Use int8, fp8 or int4");
}

std::string_view weight_algorithm_name(std::string_view algorithm) {
  return algorithm.empty() || algorithm == "max" || algorithm == "rtn_dq" ? "rtn" : algorithm;
}

std::string to_json(const Preset& p) {
  std::string text = fmt::format(
      "{{\n  \"name\": {},\n  \"summary\": {},\n  \"needs\": {},\n  \"algorithm\": {},",
      json_string(p.name), json_string(p.summary), json_string(p.needs), json_string(p.algorithm));
  text += "\n  \"quant_cfg\": {";
  const char* separator = "\n";
  for (const QuantRule& r : p.rules) {
    text += separator;
    text += "    " + to_json(r);
    separator = ",\n";
  }
  return text + "\n  }\n}\n";
}

std::string to_json(const SkipList& list) {
  std::vector<std::string> patterns;
  for (const std::string_view pattern : list.patterns) patterns.push_back(json_string(pattern));
  return fmt::format("{{\n  \"name\": {},\n  \"summary\": {},\n  \"skip\": [{}]\n}}\n",
                     json_string(list.name), json_string(list.summary), join(patterns, ", "));
}

}  // namespace qsweep
