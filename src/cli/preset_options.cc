#include "src/cli/preset_options.h"

#include <algorithm>
#include <array>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/error.h"

#include "src/quant/presets.h"

namespace qsweep {
namespace {

constexpr std::array<std::string_view, 4> kInt4Methods = {"awq_lite", "awq_clip", "awq_full",
                                                          "rtn_dq"};

/// The field's calibration methods: of activation ranges for int8 and fp8, of weight scales for
/// int4.
void add_method(const std::string& method, const std::string& mode, std::vector<Override>& keys) {
  if (mode.empty()) {
    throw Error(ErrorCode::usage, "--calibration-method belongs to --quantize-mode", {},
                "Give --quantize-mode int8, fp8 or int4");
  }
  const bool is_int4 = std::ranges::find(kInt4Methods, method) != kInt4Methods.end();
  if ((mode == "int4") != is_int4) {
    throw Error(
        ErrorCode::usage,
        fmt::format("--calibration-method {} does not fit --quantize-mode {}", method, mode), {},
        mode == "int4" ? "int4 takes awq_lite, awq_clip, awq_full or rtn_dq"
                       : "int8 and fp8 take max or entropy");
  }
  const std::string flag = "--calibration-method", typed = flag + " " + method;
  if (!is_int4) {
    keys.push_back(
        {"quantization.calibrator", yaml_scalar(method == "max" ? "minmax" : method), flag, typed});
    return;
  }
  if (method != "rtn_dq") keys.push_back({"quantization.preset", "INT4_AWQ_CFG", flag, typed});
  keys.push_back(
      {"quantization.algorithm", std::string(weight_algorithm_name(method)), flag, typed});
}

}  // namespace

void add_preset_options(CLI::App& command, PresetOptions& o, CLI::Option* instead) {
  KeyFlags& keys = o.flags;
  auto* preset = keys.add(command, "--preset", "quantization.preset",
                          "Named configuration; see `qsweep presets list`");
  auto* family = keys.add(command, "--family", "quantization.preset",
                          "Preset of a scheme family: w4a16, w4a8 or w8a16")
                     ->excludes(preset);
  auto* mode = command.add_option("--quantize-mode", o.mode, "Preset of a mode: int8, fp8 or int4")
                   ->excludes(preset)
                   ->excludes(family)
                   ->check(CLI::IsMember({"int8", "fp8", "int4"}));
  command.add_option("--calibration-method", o.method,
                     "With --quantize-mode: max or entropy; int4: awq_lite, awq_clip, awq_full or "
                     "rtn_dq");
  auto* rules = o.rules =
      keys.add(command, "--rules", "quantization.rules",
               "File of ordered rules, after those of the preset", KeyFlags::Kind::path);
  if (instead != nullptr) {
    for (CLI::Option* option : {preset, family, mode, rules}) instead->excludes(option);
  }
  using Kind = KeyFlags::Kind;
  keys.add(command, "--skip", "quantization.skip",
           "Keep these layers in FP16: patterns or skip lists", Kind::list);
  keys.add(command, "--nodes-to-exclude", "quantization.nodes_to_exclude",
           "Keep these layers in FP16: exact names or regular expressions", Kind::list);
  keys.add(command, "--op-types-to-exclude", "quantization.op_types_to_exclude",
           "Keep layers of these operator types in FP16: Gemm,LayerNorm", Kind::list);
  keys.name("quantization.preset", "--preset");
}

std::filesystem::path rules_file(const PresetOptions& o) {
  return o.rules == nullptr || o.rules->empty() ? std::string() : o.rules->as<std::string>();
}

std::vector<Override> overrides_of(const PresetOptions& o) {
  std::vector<Override> keys;
  if (!o.mode.empty()) {
    keys.push_back({"quantization.preset", std::string(preset_of_mode(o.mode).name),
                    "--quantize-mode", "--quantize-mode " + o.mode});
  }
  if (!o.method.empty()) add_method(o.method, o.mode, keys);
  keys.insert(keys.end(), o.flags.given().begin(), o.flags.given().end());
  return keys;
}

void check_preset(const PresetOptions& o, const JobConfig& job) {
  const auto keeps = [](const Override& given) {
    return given.key != "quantization.preset" && given.key != "quantization.rules";
  };
  const auto& q = job.quantization;
  if (std::ranges::any_of(o.flags.given(), keeps) && q.preset.empty() && q.rules.empty()) {
    throw Error(ErrorCode::usage, "there is nothing to keep layers out of", {},
                "Give --preset, --quantize-mode or --rules too");
  }
}

}  // namespace qsweep
