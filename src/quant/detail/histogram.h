#pragma once

#include <vector>

#include "src/quant/observer.h"

namespace qsweep::detail {

/// The histogram of calibrated statistics as a distribution. The statistics must outlive it.
class Histogram {
 public:
  /// @pre stats holds a histogram
  explicit Histogram(const TensorStats& stats);

  [[nodiscard]] std::uint64_t total() const { return total_; }
  /// Value below which a share q of the mass lies, linear within its bin.
  [[nodiscard]] double quantile(double q) const;
  /// The same of |x|.
  [[nodiscard]] double magnitude_quantile(double q) const;
  /// Share of the mass outside [low, high], linear within a bin.
  [[nodiscard]] double share_outside(const ValueRange& range) const;
  /// Counts in `bins` equal bins of [-amax, amax]; `bins` divides TensorStats::kBins.
  [[nodiscard]] std::vector<std::int64_t> coarse(int bins) const;

  /// Values that stand for the mass: some in each bin that is not empty, with their weights (sum 1
  /// less the exact zeros, which no quantizer moves).
  struct Points {
    Tensor values;
    std::vector<double> weights;
    /// Mean squared quantization error.
    [[nodiscard]] double squared_error(const QuantParams& params) const;
  };
  [[nodiscard]] Points points() const;

 private:
  [[nodiscard]] double edge(std::size_t bin) const;

  const TensorStats& stats_;
  double width_;
  std::uint64_t total_;
};

}  // namespace qsweep::detail
