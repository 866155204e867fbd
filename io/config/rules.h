#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/quant/rules.h"

namespace qsweep {

/// A configuration of ordered rules, with the algorithm it names (empty when it names none).
struct QuantConfig {
  std::vector<QuantRule> rules;
  std::string algorithm;
};

/// Reads a rule file: a mapping of selectors to attributes, a list of such mappings, or either of
/// them below `quant_cfg` beside an `algorithm`. Configurations written in Python can be pasted as
/// they are: `(4, 3)` is a list and `None` is null. Selectors keep their order.
/// @throws Error(config) with file:line for what is not of this form, unknown keys with the nearest
/// known ones; Error(unsupported) for attributes without a format.
[[nodiscard]] QuantConfig load_rules(const std::filesystem::path& path);

}  // namespace qsweep
