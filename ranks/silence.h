#pragma once

#include <algorithm>

namespace qsweep {

/// How long a peer has been silent while we listened. Time in which nobody looked (a blocked disk,
/// a suspended process, the pause between two runs) counts at most `longest_gap_s` per look, so a
/// rank that wakes up reads its mail before it takes others for dead.
class Silence {
 public:
  explicit Silence(double longest_gap_s) : longest_gap_s_(longest_gap_s) {}
  void heard() { silent_s_ = 0.0; }
  /// @param gap_s since the last look
  void looked(double gap_s) { silent_s_ += std::clamp(gap_s, 0.0, longest_gap_s_); }
  [[nodiscard]] double seconds() const { return silent_s_; }

 private:
  double longest_gap_s_;
  double silent_s_ = 0.0;
};

}  // namespace qsweep
