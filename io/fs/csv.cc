#include "io/fs/csv.h"

#include <fmt/format.h>

#include "src/base/error.h"

namespace qsweep {

std::string quote_csv(std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(field);
  std::string quoted = "\"";
  for (char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // as spreadsheets write it
  std::vector<CsvRow> rows;
  std::size_t line = 1;
  std::size_t i = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (i < text.size()) {
    std::vector<std::string> row(1);
    const std::size_t row_line = line;
    for (bool end = false; !end;) {
      if (i < text.size() && text[i] == '"') {
        for (++i;; ++i) {
          if (i >= text.size())
            throw Error(ErrorCode::corrupt_input, "a quoted field is not closed",
                        fmt::format("{}:{}", where, row_line));
          if (text[i] == '"' && i + 1 < text.size() && text[i + 1] == '"') {
            ++i;
          } else if (text[i] == '"') {
            ++i;
            break;
          }
          line += text[i] == '\n' ? 1 : 0;
          row.back() += text[i];
        }
        if (i < text.size() && text[i] != ',' && text[i] != '\n' && text[i] != '\r')
          throw Error(ErrorCode::corrupt_input, "text follows the end of a quoted field",
                      fmt::format("{}:{}", where, line));
      }
      for (; i < text.size() && text[i] != ',' && text[i] != '\n' && text[i] != '\r'; ++i)
        row.back() += text[i];
      if (i < text.size() && text[i] == ',') {
        ++i;
        row.emplace_back();
      } else {
        if (i < text.size() && text[i] == '\r') ++i;
        if (i < text.size() && text[i] == '\n') ++i;
        ++line;
        end = true;
      }
    }
    if (row.size() > 1 || !row.front().empty()) rows.push_back({std::move(row), row_line});
  }
  return rows;
}

}  // namespace qsweep
