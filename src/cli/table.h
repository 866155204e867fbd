#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qsweep {

/// Aligned text columns for the terminal: the first row is the heading; columns whose cells all
/// look like numbers are right-aligned.
[[nodiscard]] std::string render_table(const std::vector<std::vector<std::string>>& rows);

/// Writes results to stdout. @throws Error(io) when stdout is closed or full.
void print(std::string_view text);

}  // namespace qsweep
