#pragma once

#include <chrono>
#include <string>

#include "sweep/stages/progress.h"

namespace qsweep {

/// Progress on stderr: one line that updates with percent, rate and ETA on a terminal; otherwise a
/// line when a stage begins, at most one every ten seconds while it lasts, and one at its end.
class ProgressLine final : public Progress {
 public:
  ProgressLine();
  ~ProgressLine() override;
  void begin(std::string_view stage, double total) override;
  void advance(double done, std::string_view detail) override;
  void end() override;

 private:
  using Clock = std::chrono::steady_clock;
  void show(std::string_view detail, bool last);

  bool terminal_;
  std::string stage_;
  double total_ = 0.0;
  double done_ = 0.0;
  Clock::time_point start_;
  Clock::time_point shown_;
  bool open_ = false;  ///< a line without its newline is on the terminal
};

}  // namespace qsweep
