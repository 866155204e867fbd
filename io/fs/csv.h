#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace qsweep {

/// A CSV field, quoted when it needs it (RFC 4180).
[[nodiscard]] std::string quote_csv(std::string_view field);

struct CsvRow {
  std::vector<std::string> cells;
  std::size_t line = 0;  ///< where it begins, from 1
  friend bool operator==(const CsvRow&, const CsvRow&) = default;
};

/// Rows of cells; empty lines and a byte order mark are left out. @throws Error(corrupt_input) for
/// a quoted field that is not closed or goes on after its end, with `where` and the line.
[[nodiscard]] std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where);

}  // namespace qsweep
