#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/affine.h"

namespace qsweep {

/// What calibration keeps of one tensor. Filled image by image and merged by min, max and integer
/// sums only, so any split of the images over batches and ranks gives the same value (commutative,
/// associative). Memory does not depend on the number of images. Not thread-safe; merge copies
/// instead.
class TensorStats {
 public:
  static constexpr int kBins = 2048;

  /// First pass: extremes. `values` is one image's slice of the tensor; an empty one is no image.
  /// @throws Error(numeric) when a value is NaN or infinite.
  void add_range(std::span<const float> values);
  /// Second pass: counts in kBins equal bins of [min, max]. Starts from an empty histogram over
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
  [[nodiscard]] std::int64_t images() const { return images_; }
  [[nodiscard]] const std::vector<std::uint64_t>& histogram() const { return counts_; }

  void write(ByteWriter& out) const;
  static TensorStats read(ByteReader& in);
  friend bool operator==(const TensorStats&, const TensorStats&) = default;

 private:
  float min_ = 0.0f;
  float max_ = 0.0f;
  std::int64_t images_ = 0;
  std::vector<std::uint64_t> counts_;
};

/// How a range is chosen from statistics.
enum class CalibratorKind { minmax, percentile, entropy, mse };
[[nodiscard]] CalibratorKind parse_calibrator(std::string_view name);
[[nodiscard]] std::string_view name_of(CalibratorKind kind);
/// True when the calibrator needs the second (histogram) pass.
[[nodiscard]] bool needs_histogram(CalibratorKind kind);

struct CalibratorSettings {
  CalibratorKind kind = CalibratorKind::minmax;
  double percentile = 99.999;  ///< of |x| (symmetric) or of both tails (asymmetric)
};

/// Parameters of an activation for `format` from its statistics.
/// @throws Error(config) when the statistics hold no image.
[[nodiscard]] QuantParams calibrate(const TensorStats& stats,
                                    const Format& format,
                                    const CalibratorSettings& settings);

}  // namespace qsweep
