#pragma once

#include <string>

#include <yaml-cpp/yaml.h>

#include "io/config/detail/place.h"

namespace qsweep::config {

/// Parses one YAML document, merge keys (`<<`) resolved: keys of the mapping itself win, then those
/// of the mappings merged, in their order.
/// @param where for messages; those about a file get `:LINE` added
/// @throws Error(config) for text that is not YAML or not UTF-8, for a second document, and for
///         aliases that contain themselves or make the document larger than any configuration.
[[nodiscard]] YAML::Node parse_yaml(const std::string& text,
                                    const std::string& where,
                                    bool is_file);

[[nodiscard]] bool is_utf8(const std::string& text);

/// Lays a value over the document, making mappings on the way. What an alias shares with the place
/// stays as it is elsewhere.
/// @param document gets the override, for messages about it
void apply_override(YAML::Node& root, const Override& over, Document& document);

}  // namespace qsweep::config
