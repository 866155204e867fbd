#pragma once

#include <span>
#include <string>
#include <vector>

#include "src/quant/rules.h"

#include "sweep/plan/scheme.h"

namespace qsweep {

/// The assignment that ordered rules mean (see QuantRule). The weight and the input of a layer
/// follow their own rules; a layer with neither enabled is FP16, one with a quantized input alone
/// has an FP16 weight. What a rule leaves open (narrow range) comes from the precision set.
/// @throws Error(config): a rule that is not optional and matches no layer, with the nearest
/// names; Error(unsupported): formats that no precision pairs, naming the rule.
[[nodiscard]] std::vector<std::uint8_t> apply_rules(std::span<const QuantRule> rules,
                                                    std::span<const Layer> layers,
                                                    PrecisionSet& precisions);

/// Rules that keep nodes in high precision: an exact name, else a regular expression over whole
/// names, else what select_layers() takes. @throws Error(config) on what is none of them
[[nodiscard]] std::vector<QuantRule> exclude_nodes(std::span<const std::string> nodes,
                                                   std::span<const Layer> layers);

/// Rules that keep the layers of these operator types in high precision. `LayerNorm`, `BatchNorm`,
/// `GroupNorm`, `InstanceNorm` and `Linear` stand for their ONNX operators.
/// @param known every operator type there is; types that are no layers are never quantized anyway
/// @throws Error(config) on a type that is not known, naming the nearest
[[nodiscard]] std::vector<QuantRule> exclude_types(std::span<const std::string> types,
                                                   std::span<const Layer> layers,
                                                   std::span<const std::string> known);

}  // namespace qsweep
