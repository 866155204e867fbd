#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "sweep/plan/scheme.h"

namespace qsweep {
namespace {

constexpr std::string_view kHint = "Write rules as SELECTOR=PRECISION; e.g. '*=W8A8; conv1=FP16'";

/// Would be read as something else than the name of a layer.
bool needs_quotes(std::string_view name) {
  return name.find_first_of(";\"*?[\n") != std::string_view::npos || name.starts_with('#') ||
         name.starts_with('@') || name.starts_with("re:") || trim(name).size() != name.size();
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

/// Length of the quoted name that `text` starts with, both quotes included; all of it when it is
/// not closed.
std::size_t quoted_length(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] != '"') continue;
    if (i + 1 == text.size() || text[i + 1] != '"') return i + 1;
    ++i;
  }
  return text.size();
}

std::string unquoted(std::string_view text) {
  std::string name;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    name += text[i];
    if (text[i] == '"') ++i;
  }
  return name;
}

/// Rules of a text without blanks around them, comments left out.
std::vector<std::string_view> rules_of(std::string_view text) {
  std::vector<std::string_view> rules;
  while (!(text = trim(text)).empty()) {
    const bool is_comment = text.front() == '#';
    const std::size_t name = text.front() == '"' ? quoted_length(text) : 0;
    const std::size_t end =
        std::min(text.find_first_of(is_comment ? "\n" : ";\n", name), text.size());
    const std::string_view rule = trim(text.substr(0, end));
    if (!is_comment && !rule.empty()) rules.push_back(rule);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return rules;
}

std::vector<LayerId> layer_named(const std::string& name, std::span<const Layer> layers) {
  for (const LayerId i : ids<LayerId>(layers.size())) {
    if (layers[i.index()].name == name) return {i};
  }
  std::vector<std::string> names;
  for (const Layer& layer : layers) names.push_back(layer.name);
  throw Error(ErrorCode::config, fmt::format("there is no layer '{}'", name), "scheme",
              did_you_mean(name, names));
}

[[noreturn]] void not_a_rule(std::string_view rule) {
  throw Error(ErrorCode::config, fmt::format("'{}' is not a rule", rule), "scheme",
              std::string(kHint));
}

}  // namespace

std::string to_text(std::span<const std::uint8_t> precision,
                    std::span<const Layer> layers,
                    const PrecisionSet& precisions) {
  QSWEEP_CHECK(precision.size() == layers.size());
  std::array<std::size_t, 256> uses{};
  for (std::uint8_t p : precision) ++uses[p];
  const auto common =
      static_cast<std::uint8_t>(std::max_element(uses.begin(), uses.end()) - uses.begin());
  std::string text = "*=" + precisions.at(common).name;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (precision[i] == common) continue;
    const std::string& name = layers[i].name;
    text +=
        "; " + (needs_quotes(name) ? quoted(name) : name) + "=" + precisions.at(precision[i]).name;
  }
  return text;
}

std::vector<std::uint8_t> parse_scheme(std::string_view text,
                                       std::span<const Layer> layers,
                                       PrecisionSet& precisions) {
  std::vector<std::uint8_t> precision(layers.size(), 0);
  const std::vector<std::string_view> rules = rules_of(text);
  if (rules.empty())
    throw Error(ErrorCode::config, "the scheme is empty", "scheme", std::string(kHint));
  for (std::string_view rule : rules) {
    const bool is_name = rule.front() == '"';
    const std::size_t equals =
        is_name ? rule.find_first_not_of(" \t", quoted_length(rule)) : rule.rfind('=');
    if (equals == 0 || equals >= rule.size() || rule[equals] != '=') not_a_rule(rule);
    const std::string_view selector = trim(rule.substr(0, equals));
    const std::uint8_t p = precisions.add(trim(rule.substr(equals + 1)));
    for (const LayerId layer :
         is_name ? layer_named(unquoted(selector), layers) : select_layers(selector, layers))
      precision[layer.index()] = p;
  }
  return precision;
}

}  // namespace qsweep
