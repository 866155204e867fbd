#include "sweep/plan/rules.h"

#include <algorithm>
#include <map>
#include <regex>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "sweep/plan/module_names.h"

namespace qsweep {
namespace {

constexpr std::string_view kWeight = "weight_quantizer";
constexpr std::string_view kInput = "input_quantizer";
constexpr std::string_view kOutput = "output_quantizer";
constexpr std::string_view kDefault = "default";

/// The rule that decides each quantizer of each layer; null where none does.
struct Decisions {
  explicit Decisions(std::size_t layers) : weight(layers), input(layers) {}
  std::vector<const QuantRule*> weight, input;
};

/// Layers whose quantizer `suffix` a selector with this suffix names.
std::vector<LayerId> quantizers(std::string_view selector,
                                std::string_view suffix,
                                std::span<const Layer> layers) {
  std::vector<LayerId> selected;
  for (const LayerId i : ids<LayerId>(layers.size())) {
    if (matches_pattern(selector, fmt::format("{}.{}", layers[i.index()].name, suffix)))
      selected.push_back(i);
  }
  if (!selected.empty()) return selected;
  std::string_view layer = selector.substr(0, selector.size() - suffix.size());
  while (layer.ends_with('.')) layer.remove_suffix(1);
  return select_layers(layer, layers);
}

void decide(const QuantRule& rule, std::span<const Layer> layers, Decisions& decisions) {
  const std::string_view selector = rule.selector;
  const auto set = [&](const std::vector<LayerId>& selected,
                       std::vector<const QuantRule*>& quantizers_of) {
    for (const LayerId i : selected) quantizers_of[i.index()] = &rule;
  };
  if (selector.ends_with(kWeight)) {
    set(quantizers(selector, kWeight, layers), decisions.weight);
  } else if (selector.ends_with(kInput)) {
    set(quantizers(selector, kInput, layers), decisions.input);
  } else if (selector.ends_with(kOutput)) {
    if (!rule.format.is_quantized()) return;  // outputs are never quantized
    throw Error(ErrorCode::unsupported, fmt::format("'{}' enables output quantizers", selector), {},
                "Quantize the inputs of the layers that follow");
  } else {
    const std::vector<LayerId> selected = select_layers(selector, layers);
    set(selected, decisions.weight);
    set(selected, decisions.input);
  }
}

Format format_of(const QuantRule* rule) {
  return rule == nullptr ? Format{} : rule->format;
}

void check_input(const QuantRule* rule) {
  if (rule == nullptr || !has_scale(rule->format)) return;
  if (rule->format.granularity == Granularity::per_channel) {
    throw Error(ErrorCode::unsupported,
                fmt::format("rule '{}' gives inputs a scale per channel, which no matrix product "
                            "can apply to its sum",
                            rule->selector),
                {}, "Use \"axis\": null for inputs");
  }
}

std::string precision_of(const QuantRule* weight_rule, const QuantRule* input_rule) {
  check_input(input_rule);
  Format weight = format_of(weight_rule);
  const Format input = format_of(input_rule);
  if (!weight.is_quantized() && !input.is_quantized()) return "FP16";
  if (!weight.is_quantized()) weight.dtype = DType::f16;
  return spell_precision(weight, input);
}

/// Short names of the field and the ONNX operators they stand for.
const std::multimap<std::string, std::string>& type_aliases() {
  static const std::multimap<std::string, std::string> aliases = {
      {"LayerNorm", "LayerNormalization"},
      {"BatchNorm", "BatchNormalization"},
      {"GroupNorm", "GroupNormalization"},
      {"InstanceNorm", "InstanceNormalization"},
      {"Linear", "Gemm"},
      {"Linear", "MatMul"}};
  return aliases;
}

bool is_regex_of_a_layer(const std::string& text, std::span<const Layer> layers) {
  try {
    const std::regex regex(text);
    return std::ranges::any_of(layers,
                               [&](const Layer& l) { return std::regex_match(l.name, regex); });
  } catch (const std::regex_error&) {
    return false;
  }
}

}  // namespace

std::vector<std::uint8_t> apply_rules(std::span<const QuantRule> rules,
                                      std::span<const Layer> layers,
                                      PrecisionSet& precisions) {
  Decisions decisions(layers.size());
  const QuantRule* fallback = nullptr;
  for (const QuantRule& rule : rules) {
    if (rule.selector == kDefault) {
      fallback = &rule;
      continue;
    }
    try {
      decide(rule, layers, decisions);
    } catch (const Error& e) {
      if (!rule.optional || e.code() != ErrorCode::config) throw;
    }
  }
  std::vector<std::uint8_t> precision;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto decided = [&](const QuantRule* rule) { return rule != nullptr ? rule : fallback; };
    precision.push_back(
        precisions.add(precision_of(decided(decisions.weight[i]), decided(decisions.input[i]))));
  }
  return precision;
}

std::vector<QuantRule> exclude_nodes(std::span<const std::string> nodes,
                                     std::span<const Layer> layers) {
  std::vector<QuantRule> rules;
  for (const std::string& node : nodes) {
    const bool is_name =
        std::ranges::any_of(layers, [&](const Layer& l) { return l.name == node; });
    const bool is_regex = !is_name && is_regex_of_a_layer(node, layers);
    if (!is_name && !is_regex) (void)select_layers(node, layers);
    rules.push_back({is_regex ? "re:" + node : node, Format{}});
  }
  return rules;
}

std::vector<QuantRule> exclude_types(std::span<const std::string> types,
                                     std::span<const Layer> layers,
                                     std::span<const std::string> known) {
  std::vector<QuantRule> rules;
  for (const std::string& type : types) {
    const auto [first, end] = type_aliases().equal_range(type);
    std::vector<std::string> meant;
    for (auto at = first; at != end; ++at) meant.push_back(at->second);
    if (meant.empty()) meant.push_back(type);
    for (const std::string& op : meant) {
      const bool is_layer = std::ranges::any_of(layers, [&](const Layer& l) { return l.op == op; });
      if (!is_layer && std::ranges::find(known, op) == known.end()) {
        std::vector<std::string> names(known.begin(), known.end());
        for (const auto& [alias, meaning] : type_aliases()) names.push_back(alias);
        throw Error(ErrorCode::config, fmt::format("there is no operator type '{}'", type), {},
                    did_you_mean(type, names));
      }
      for (const Layer& layer : layers) {
        if (layer.op == op) rules.push_back({layer.name, Format{}});
      }
    }
  }
  return rules;
}

}  // namespace qsweep
