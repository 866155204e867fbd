#include "io/report/detail/csv.h"

#include <fmt/format.h>

#include "src/results/views.h"

namespace qsweep::report {

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : std::string();
}

void Csv::row(const std::vector<std::string>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i != 0) text_ += ',';
    const std::string& cell = cells[i];
    if (cell.find_first_of(",\"\r\n") == std::string::npos) {
      text_ += cell;
      continue;
    }
    text_ += '"';
    for (const char c : cell) {
      if (c == '"') text_ += '"';
      text_ += c;
    }
    text_ += '"';
  }
  text_ += '\n';
}

}  // namespace qsweep::report
