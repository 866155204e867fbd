#pragma once

#include <string>

#include "src/quant/weight.h"

namespace qsweep {

/// What a weight's distribution says about rounding it to few bits. Merged branches (RepVGG, Ding
/// et al. 2021, arXiv 2101.03697) and folded BatchNorms leave outliers and channels of very
/// different ranges; a grid that must reach those is coarse for all the rest.
struct WeightRisk {
  double kurtosis = 0.0;       ///< fourth central moment over squared variance; 3 for a normal one
  double outlier_ratio = 1.0;  ///< max|w| : 99.9th percentile of |w|
  double channel_ratio = 1.0;  ///< largest : median of the output channels' max|w|; channels of
                               ///< zeros do not count
  [[nodiscard]] bool outliers() const { return outlier_ratio > 3.0; }
  [[nodiscard]] bool uneven_channels() const { return channel_ratio > 10.0; }
};

/// @param weight f32. An empty or constant one has no risk.
[[nodiscard]] WeightRisk weight_risk(const Tensor& weight, WeightAxes axes);

}  // namespace qsweep
