#pragma once

#include <vector>

#include "src/quant/observer.h"

namespace qsweep {

/// What each calibrator would make of one tensor. From its histogram: exact to a bin.
struct RangeReport {
  struct Choice {
    CalibratorKind kind{};
    double low = 0.0, high = 0.0;
    double clipped = 0.0;     ///< share of the values outside [low, high]
    double codes_used = 0.0;  ///< share of the format's codes that values fall on
    double error = 0.0;       ///< expected squared quantization error over the mean square
  };
  std::vector<Choice> choices;                   ///< of all_calibrators(), in their order
  double central_low = 0.0, central_high = 0.0;  ///< 98 % of the values lie between
  double outlier_ratio = 1.0;                    ///< amax over the 99.9th percentile of |x|
  CalibratorKind best = CalibratorKind::minmax;  ///< least error by two per cent
  /// The range is over six times as wide as 98 % of the values need.
  bool is_stretched = false;

  [[nodiscard]] const Choice& of(CalibratorKind kind) const;
};

/// @param stats with a histogram
/// @param format of integers
[[nodiscard]] RangeReport report_range(const TensorStats& stats,
                                       const Format& format,
                                       const CalibratorSettings& settings);

}  // namespace qsweep
