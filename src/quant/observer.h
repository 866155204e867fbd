#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/affine.h"
#include "src/quant/exact_sum.h"

namespace qsweep {

/// What calibration keeps of one tensor. Filled image by image and merged by min, max and integer
/// sums only, so any split of the images over batches and ranks gives the same value (commutative,
/// associative). Memory does not depend on the number of images. Not thread-safe; merge copies
/// instead.
class TensorStats {
 public:
  /// Equal bins over [-amax, amax], amax the largest magnitude: 0 is an edge, so that neighbours
  /// fold exactly into any coarser histogram of x or of |x|.
  static constexpr int kBins = 4096;

  /// First pass: extremes of the set, and the sum of each image's. `values` is one image's slice of
  /// the tensor; an empty one is no image.
  /// @throws Error(numeric) when a value is NaN or infinite.
  void add_range(std::span<const float> values);
  /// Second pass: counts in kBins bins. Starts from an empty histogram over
  /// this range, of no images; take_histogram() puts the merged counts back beside the range they
  /// belong to.
  [[nodiscard]] TensorStats empty_histogram() const;
  void add_histogram(std::span<const float> values);
  void take_histogram(const TensorStats& counted);

  /// Statistics of the union of both sets of images. Histograms merge only over equal ranges
  /// (checked).
  void merge(const TensorStats& other);

  [[nodiscard]] float min() const { return min_; }
  [[nodiscard]] float max() const { return max_; }
  /// Largest magnitude.
  [[nodiscard]] double amax() const;
  /// Means of the images' minima and maxima. @pre images() > 0
  [[nodiscard]] double mean_min() const;
  [[nodiscard]] double mean_max() const;
  [[nodiscard]] std::int64_t images() const { return images_; }
  /// Values that are exactly 0, which every quantizer keeps.
  [[nodiscard]] std::uint64_t zeros() const { return zeros_; }
  [[nodiscard]] const std::vector<std::uint64_t>& histogram() const { return counts_; }

  void write(ByteWriter& out) const;
  static TensorStats read(ByteReader& in);
  friend bool operator==(const TensorStats&, const TensorStats&) = default;

 private:
  float min_ = 0.0f;
  float max_ = 0.0f;
  std::int64_t images_ = 0;
  ExactSum minima_, maxima_;
  std::uint64_t zeros_ = 0;
  std::vector<std::uint64_t> counts_;
};

/// How a range is chosen from statistics.
enum class CalibratorKind { minmax, percentile, entropy, mse, moving_average };
/// All of them, in this order.
[[nodiscard]] std::span<const CalibratorKind> all_calibrators();
[[nodiscard]] CalibratorKind parse_calibrator(std::string_view name);
[[nodiscard]] std::string_view name_of(CalibratorKind kind);
/// True when the calibrator needs the second (histogram) pass.
[[nodiscard]] bool needs_histogram(CalibratorKind kind);

struct CalibratorSettings {
  CalibratorKind kind = CalibratorKind::minmax;
  double percentile = 99.999;  ///< of |x| (symmetric) or of both tails (asymmetric)
  int bins = 128;              ///< entropy: of the searched histogram over [-amax, amax]
};

/// Numbers of bins that entropy can search: powers of two from 128 to TensorStats::kBins.
[[nodiscard]] bool is_bin_count(std::int64_t bins);

/// Real values, low <= high.
struct ValueRange {
  double low = 0.0;
  double high = 0.0;
};

/// The range that a calibrator chooses for `format` (NUMERICS.md), before 0 is added and scales are
/// rounded. @throws Error(config) when the statistics hold no image.
[[nodiscard]] ValueRange calibrated_range(const TensorStats& stats,
                                          const Format& format,
                                          const CalibratorSettings& settings);

/// Parameters of an activation for `format` from its statistics.
/// @throws Error(config) when the statistics hold no image.
[[nodiscard]] QuantParams calibrate(const TensorStats& stats,
                                    const Format& format,
                                    const CalibratorSettings& settings);

}  // namespace qsweep
