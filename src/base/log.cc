#include "src/base/log.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

struct Sinks {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> file;
  std::atomic<LogLevel> lowest{LogLevel::warning};
};

/// The process has one log, as it has one stderr.
Sinks& sinks() {
  static Sinks instance;
  return instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void open_log_file(const std::filesystem::path& path, int rank) {
  const std::lock_guard lock(sinks().mutex);
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    auto logger = std::make_shared<spdlog::logger>(fmt::format("rank {}", rank), std::move(sink));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
    logger->set_level(spdlog::level::debug);
    logger->flush_on(spdlog::level::info);
    sinks().file = std::move(logger);
  } catch (const spdlog::spdlog_ex& e) {
    throw Error(ErrorCode::io, fmt::format("cannot open the log: {}", e.what()), path.string());
  }
}

void set_log_stderr(LogLevel lowest) {
  sinks().lowest = lowest;
}

void log(LogLevel level, std::string_view text) {
  std::shared_ptr<spdlog::logger> file;
  {
    const std::lock_guard lock(sinks().mutex);
    file = sinks().file;
  }
  if (file) file->log(spdlog_level(level), text);
  if (level < sinks().lowest.load()) return;
  const char* name = level == LogLevel::warning ? "warning: "
                     : level == LogLevel::error ? "error: "
                                                : "";
  const std::string line = fmt::format("qsweep: {}{}\n", name, text);
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace qsweep
