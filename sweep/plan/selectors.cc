#include <regex>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

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

}  // namespace

std::vector<int> select_layers(std::string_view selector, std::span<const Layer> layers) {
  std::vector<int> selected;
  const bool is_regex = selector.starts_with(kRegexPrefix);
  const std::regex regex = is_regex ? compile(selector) : std::regex();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string& name = layers[i].name;
    if (name == selector && selector != "*") return {static_cast<int>(i)};
    if (is_regex ? std::regex_match(name, regex) : glob_match(selector, name))
      selected.push_back(static_cast<int>(i));
  }
  if (selected.empty()) {
    std::vector<std::string> names;
    for (const Layer& layer : layers) names.push_back(layer.name);
    std::string hint = did_you_mean(selector, names);
    if (hint.empty()) hint = "List the layers with `qsweep inspect`";
    throw Error(ErrorCode::config, fmt::format("selector '{}' matches no layer", selector), {},
                hint);
  }
  return selected;
}

}  // namespace qsweep
