#pragma once

#include <filesystem>
#include <string_view>

namespace qsweep {

enum class LogLevel { debug, info, warning, error };

/// The log of this process: text lines to a file and/or stderr; results never go here.
/// Without open_log_file() only warnings and errors show, on stderr. Thread-safe.
void open_log_file(const std::filesystem::path& path, int rank);
void set_log_stderr(LogLevel lowest);
void log(LogLevel level, std::string_view text);
inline void log_debug(std::string_view text) {
  log(LogLevel::debug, text);
}
inline void log_info(std::string_view text) {
  log(LogLevel::info, text);
}
inline void log_warning(std::string_view text) {
  log(LogLevel::warning, text);
}

}  // namespace qsweep
