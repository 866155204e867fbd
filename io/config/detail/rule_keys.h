#pragma once

#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "io/config/detail/place.h"
#include "io/config/rules.h"

namespace qsweep::config {

/// Rules as load_rules() describes them.
[[nodiscard]] QuantConfig parse_rules(const YAML::Node& node, const Place& place);

/// The rules as a list of mappings with one selector each; parse_rules() reads it back.
[[nodiscard]] YAML::Node format_rules(const std::vector<QuantRule>& rules);

/// Python's tuples, True, False and None, outside of quotes and comments, as YAML.
[[nodiscard]] std::string from_python(const std::string& text);

}  // namespace qsweep::config
