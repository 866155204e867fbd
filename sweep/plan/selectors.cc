#include <regex>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "sweep/plan/module_names.h"
#include "sweep/plan/scheme.h"

namespace qsweep {
namespace {

constexpr std::string_view kRegexPrefix = "re:";

std::regex compile(std::string_view selector) {
  try {
    return std::regex(std::string(selector.substr(kRegexPrefix.size())));
  } catch (const std::regex_error& e) {
    throw Error(ErrorCode::config,
                fmt::format("'{}' is not a regular expression: {}", selector, e.what()));
  }
}

[[noreturn]] void fail(std::string_view selector, std::span<const Layer> layers) {
  if (layers.empty()) {
    throw Error(ErrorCode::config, "the model has no layer with a float weight", {},
                "A model that was quantized to operators on codes is evaluated as it is; take the "
                "float model it was made from");
  }
  std::vector<std::string> names;
  for (const Layer& layer : layers) names.push_back(layer.name);
  std::string hint = did_you_mean(selector, names);
  if (hint.empty()) hint = "List the layers with `qsweep inspect`";
  throw Error(ErrorCode::config, fmt::format("selector '{}' matches no layer", selector), {}, hint);
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) {
  if (pattern.starts_with(kRegexPrefix))
    return std::regex_match(std::string(name), compile(pattern));
  return glob_match(pattern, name) || glob_match(dotted(pattern), dotted(name));
}

std::vector<LayerId> select_layers(std::string_view selector, std::span<const Layer> layers) {
  std::vector<LayerId> selected;
  for (const LayerId i : ids<LayerId>(layers.size())) {
    if (layers[i.index()].name == selector && selector != "*") return {i};
  }
  if (!layers.empty() && selector == "@first") return {LayerId(0)};
  if (!layers.empty() && selector == "@last") return {LayerId(layers.size() - 1)};
  const bool is_regex = selector.starts_with(kRegexPrefix);
  const std::regex regex = is_regex ? compile(selector) : std::regex();
  for (const LayerId i : ids<LayerId>(layers.size())) {
    const std::string& name = layers[i.index()].name;
    if (is_regex ? std::regex_match(name, regex) : matches_pattern(selector, name))
      selected.push_back(i);
  }
  if (selected.empty() && !is_regex && selector.find_first_of("*?[") == std::string_view::npos) {
    selected = layers_of_module(selector, layers);
    if (selected.size() > 1) {
      throw Error(
          ErrorCode::config,
          fmt::format("'{}' may mean '{}', '{}'{}", selector, layers[selected[0].index()].name,
                      layers[selected[1].index()].name, selected.size() > 2 ? " and others" : ""),
          {}, "Give more of the name, or a pattern");
    }
  }
  if (selected.empty()) fail(selector, layers);
  return selected;
}

}  // namespace qsweep
