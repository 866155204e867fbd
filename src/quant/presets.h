#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/quant/rules.h"

namespace qsweep {

/// A named quantization configuration: what a scheme runs at, layer by layer, under a name that
/// others know. The names and values are those of NVIDIA's Model Optimizer where it has them;
/// exclusions that name layers of language models only are left out.
struct Preset {
  std::string_view name;
  std::string_view summary;
  std::string_view algorithm;  ///< how weight scales are chosen: `max`, `smoothquant`, `awq_lite`
  std::string_view needs;      ///< hardware that runs it
  std::string_view family;     ///< `w4a16`, `w4a8`, `w8a16`: the preset such a family means
  std::vector<QuantRule> rules;
};

/// Layers that are usually kept in high precision, under a name.
struct SkipList {
  std::string_view name;
  std::string_view summary;
  std::vector<std::string_view> patterns;
};

/// In the order they are listed.
[[nodiscard]] const std::vector<Preset>& known_presets();
[[nodiscard]] const std::vector<SkipList>& known_skip_lists();

/// By name or family, in any case. @throws Error(config) naming the nearest.
[[nodiscard]] const Preset& find_preset(std::string_view name);

/// Rules that disable what `patterns` match; the name of a skip list stands for its patterns, and
/// those may match nothing.
[[nodiscard]] std::vector<QuantRule> skip_rules(const std::vector<std::string>& patterns);

/// The preset of a mode (`int8`, `fp8`, `int4`), as the ONNX quantizers of the field call it.
/// @throws Error(config) on another.
[[nodiscard]] const Preset& preset_of_mode(std::string_view mode);

/// How a configuration's algorithm is called in `quantization.algorithm`: `max`, `rtn_dq` and none
/// are `rtn`.
[[nodiscard]] std::string_view weight_algorithm_name(std::string_view algorithm);

/// As a configuration of its own: name, algorithm, quant_cfg; JSON.
[[nodiscard]] std::string to_json(const Preset& preset);
[[nodiscard]] std::string to_json(const SkipList& list);

}  // namespace qsweep
