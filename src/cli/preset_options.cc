#include "src/cli/preset_options.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "src/base/error.h"

#include "src/quant/presets.h"

#include "io/config/rules.h"

namespace qsweep {
namespace {

constexpr std::array<std::string_view, 4> kInt4Methods = {"awq_lite", "awq_clip", "awq_full",
                                                          "rtn_dq"};

/// The field's calibration methods: of activation ranges for int8 and fp8, of weight scales for
/// int4.
void apply_method(const std::string& method, const std::string& mode, JobConfig& job) {
  if (mode.empty()) {
    throw Error(ErrorCode::usage, "--calibration-method belongs to --quantize-mode", {},
                "Give --quantize-mode int8, fp8 or int4, or --calibrator");
  }
  const bool is_int4 = std::ranges::find(kInt4Methods, method) != kInt4Methods.end();
  if ((mode == "int4") != is_int4) {
    throw Error(
        ErrorCode::usage,
        fmt::format("--calibration-method {} does not fit --quantize-mode {}", method, mode), {},
        mode == "int4" ? "int4 takes awq_lite, awq_clip, awq_full or rtn_dq"
                       : "int8 and fp8 take max or entropy");
  }
  auto& q = job.quantization;
  if (!is_int4) {
    q.calibrator = method == "max" ? "minmax" : method;
  } else {
    if (method != "rtn_dq") q.preset = "INT4_AWQ_CFG";
    q.algorithm = weight_algorithm_name(method);
  }
}

}  // namespace

void add_preset_options(CLI::App& command, PresetOptions& o, CLI::Option* instead) {
  auto* preset =
      command.add_option("--preset", o.preset, "Named configuration; see `qsweep presets list`");
  auto* family =
      command.add_option("--family", o.family, "Preset of a scheme family: w4a16, w4a8 or w8a16")
          ->excludes(preset);
  auto* mode = command.add_option("--quantize-mode", o.mode, "Preset of a mode: int8, fp8 or int4")
                   ->excludes(preset)
                   ->excludes(family);
  command.add_option("--calibration-method", o.method,
                     "With --quantize-mode: max or entropy; int4: awq_lite, awq_clip, awq_full or "
                     "rtn_dq");
  auto* rules =
      command.add_option("--rules", o.rules, "File of ordered rules, after those of the preset");
  if (instead != nullptr) {
    for (CLI::Option* option : {preset, family, mode, rules}) instead->excludes(option);
  }
  command.add_option("--skip", o.skip, "Keep these layers in FP16: patterns or skip lists")
      ->delimiter(',');
  command
      .add_option("--nodes-to-exclude", o.exclude_nodes,
                  "Keep these layers in FP16: exact names or regular expressions")
      ->delimiter(',');
  command
      .add_option("--op-types-to-exclude", o.exclude_types,
                  "Keep layers of these operator types in FP16: Gemm,LayerNorm")
      ->delimiter(',');
}

void apply(const PresetOptions& o, const std::string& algorithm, JobConfig& job) {
  auto& q = job.quantization;
  const std::string& name = o.preset.empty() ? o.family : o.preset;
  if (!name.empty()) q.preset = find_preset(name).name;
  if (!o.mode.empty()) q.preset = preset_of_mode(o.mode).name;
  if (!name.empty() || !o.mode.empty())
    q.algorithm = weight_algorithm_name(find_preset(q.preset).algorithm);
  if (!o.method.empty()) apply_method(o.method, o.mode, job);
  if (!o.rules.empty()) {
    QuantConfig config = load_rules(o.rules);
    q.rules = std::move(config.rules);
    if (!config.algorithm.empty()) q.algorithm = config.algorithm;
  }
  if (!algorithm.empty()) q.algorithm = algorithm;
  if (!o.skip.empty()) q.skip = o.skip;
  if (!o.exclude_nodes.empty()) q.exclude_nodes = o.exclude_nodes;
  if (!o.exclude_types.empty()) q.exclude_types = o.exclude_types;
  const bool keeps = !o.skip.empty() || !o.exclude_nodes.empty() || !o.exclude_types.empty();
  if (keeps && q.preset.empty() && q.rules.empty()) {
    throw Error(ErrorCode::usage, "there is nothing to keep layers out of", {},
                "Give --preset, --quantize-mode or --rules too");
  }
}

}  // namespace qsweep
