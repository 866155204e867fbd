#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>

namespace qsweep {

/// A text file in UTF-8, without its byte order mark.
/// @throws Error(unsupported) on UTF-16, and as DataFile()
[[nodiscard]] std::string read_text(const std::filesystem::path& path);

/// Calls `take` with each line, whatever ends it: LF, CR LF or CR.
template <class Take>
void for_each_line(std::string_view text, const Take& take) {
  const char end = text.find('\n') == std::string_view::npos ? '\r' : '\n';
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find(end));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    take(line);
  }
}

}  // namespace qsweep
