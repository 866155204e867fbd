#include "src/cli/progress_line.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "src/base/text.h"

namespace qsweep {
namespace {

constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kLogInterval = std::chrono::seconds(10);

}  // namespace

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (open_) (void)std::fputc('\n', stderr);
}

void ProgressLine::begin(std::string_view stage, double total) {
  stage_ = stage;
  total_ = total;
  done_ = 0.0;
  start_ = shown_ = Clock::now();
  if (terminal_ && total_ > 0.0) show("", false);
}

void ProgressLine::advance(double done, std::string_view detail) {
  done_ = done;
  const auto now = Clock::now();
  if (now - shown_ <
      (terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kLogInterval)))
    return;
  shown_ = now;
  show(detail, false);
}

void ProgressLine::end() {
  if (total_ > 0.0) show("", true);
}

void ProgressLine::show(std::string_view detail, bool last) {
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const double share = total_ > 0.0 ? std::min(1.0, done_ / total_) : 0.0;
  std::string line = fmt::format("{:<22} {:3.0f} %  {}", stage_, 100.0 * (last ? 1.0 : share),
                                 human_seconds(elapsed));
  if (!last && share > 0.0)
    line += fmt::format("  ETA {}", human_seconds(elapsed / share * (1.0 - share)));
  if (!detail.empty()) line += fmt::format("  {}", detail);
  if (terminal_) {
    (void)std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), last ? "\n" : "");
    open_ = !last;
  } else {
    (void)std::fprintf(stderr, "%s\n", line.c_str());
  }
  (void)std::fflush(stderr);
}

}  // namespace qsweep
