#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/quant/detail/histogram.h"
#include "src/quant/observer.h"

namespace qsweep {
namespace {

using detail::Histogram;

constexpr std::array<std::string_view, 5> kNames = {"minmax", "percentile", "entropy", "mse",
                                                    "moving_average"};
constexpr std::array kKinds = {CalibratorKind::minmax, CalibratorKind::percentile,
                               CalibratorKind::entropy, CalibratorKind::mse,
                               CalibratorKind::moving_average};

/// Clips tried by the mse calibrator, as shares of the observed range.
constexpr int kClipSteps = 100;
constexpr double kLeastClip = 0.05;
/// What a clip must gain over the whole range to be taken: a histogram knows a value to a bin only.
constexpr double kClipGain = 0.98;
/// Bins the entropy calibrator folds a clipped histogram into.
constexpr std::int64_t kEntropyLevels = 128;

ValueRange whole(const TensorStats& s) {
  return {static_cast<double>(s.min()), static_cast<double>(s.max())};
}

ValueRange percentile_range(const Histogram& h, const Format& format, double percentile) {
  const double tail = 1.0 - percentile / 100.0;
  if (!format.symmetric) return {h.quantile(tail / 2.0), h.quantile(1.0 - tail / 2.0)};
  const double threshold = h.magnitude_quantile(1.0 - tail);
  return {-threshold, threshold};
}

/// Counts with zeros replaced by a small mass that the others give up.
struct Smoothed {
  explicit Smoothed(const std::vector<std::int64_t>& counts) {
    constexpr double kEpsilon = 1e-4;
    const auto zeros = static_cast<double>(std::count(counts.begin(), counts.end(), 0));
    const double filled = static_cast<double>(counts.size()) - zeros;
    at_zero = kEpsilon;
    taken = filled > 0.0 ? kEpsilon * zeros / filled : 0.0;
    sum = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
    if (filled == 0.0) sum = 0.0;
  }
  [[nodiscard]] double share(std::int64_t count) const {
    return (count == 0 ? at_zero : static_cast<double>(count) - taken) / sum;
  }
  double at_zero = 0.0, taken = 0.0, sum = 0.0;
};

/// KL(P || Q) of counts[begin, end): P has the outliers on its first and last bin, Q is the same
/// mass folded into kEntropyLevels levels and spread over each level's bins.
double clipped_divergence(const std::vector<std::int64_t>& counts,
                          std::size_t begin,
                          std::size_t end) {
  const auto at = [&](std::size_t i) { return counts.begin() + static_cast<std::ptrdiff_t>(i); };
  std::vector<std::int64_t> p(at(begin), at(end));
  p.front() += std::accumulate(counts.begin(), at(begin), std::int64_t{0});
  p.back() += std::accumulate(at(end), counts.end(), std::int64_t{0});
  std::vector<std::int64_t> q(p.size(), 0);
  const std::size_t width = p.size() / static_cast<std::size_t>(kEntropyLevels);
  for (std::size_t level = 0; level < kEntropyLevels; ++level) {
    const std::size_t first = level * width;
    const bool last = level + 1 == kEntropyLevels;
    const std::int64_t mass = std::accumulate(
        at(begin + first), last ? at(end) : at(begin + first + width), std::int64_t{0});
    const auto slice = p.begin() + static_cast<std::ptrdiff_t>(first);
    const auto filled = static_cast<std::int64_t>(width) -
                        std::count(slice, slice + static_cast<std::ptrdiff_t>(width), 0);
    if (filled > 0)
      std::fill_n(q.begin() + static_cast<std::ptrdiff_t>(first), width, mass / filled);
  }
  const Smoothed ps(p), qs(q);
  if (ps.sum <= 0.0 || qs.sum <= 0.0) return std::numeric_limits<double>::infinity();
  double divergence = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double share = ps.share(p[i]);
    divergence += share * std::log(share / qs.share(q[i]));
  }
  return divergence;
}

ValueRange entropy_range(const Histogram& h, const TensorStats& s, int bins) {
  const std::vector<std::int64_t> counts = h.coarse(bins);
  const std::size_t n = counts.size(), zero = n / 2;
  std::size_t best = zero;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = kEntropyLevels / 2; i <= zero; ++i) {
    const double divergence = clipped_divergence(counts, zero - i, std::min(zero + i + 1, n));
    if (divergence < least) {
      least = divergence;
      best = i;
    }
  }
  const double width = 2.0 * s.amax() / static_cast<double>(n);
  const double low = -width * static_cast<double>(best);
  const double high = width * static_cast<double>(std::min(best + 1, zero));
  return {std::max(low, whole(s).low), std::min(high, whole(s).high)};
}

/// The clip whose quantizer has the least expected squared error.
ValueRange mse_range(const Histogram& h, const TensorStats& s, const Format& format) {
  const Histogram::Points points = h.points();
  ValueRange best = whole(s);
  double least = 0.0;
  for (int step = 0; step <= kClipSteps; ++step) {
    const double share = 1.0 - (1.0 - kLeastClip) * step / kClipSteps;
    const ValueRange range{share * whole(s).low, share * whole(s).high};
    const double error = points.squared_error(
        params_from_range(static_cast<float>(range.low), static_cast<float>(range.high), format));
    if (step == 0) {
      least = kClipGain * error;
    } else if (error < least) {
      least = error;
      best = range;
    }
  }
  return best;
}

}  // namespace

CalibratorKind parse_calibrator(std::string_view name) {
  if (name == "max") return CalibratorKind::minmax;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<CalibratorKind>(i);
  }
  const std::vector<std::string> names(kNames.begin(), kNames.end());
  throw Error(ErrorCode::config, fmt::format("unknown calibrator '{}'", name),
              "quantization.calibrator", did_you_mean(name, names));
}

std::span<const CalibratorKind> all_calibrators() {
  return kKinds;
}
bool is_bin_count(std::int64_t bins) {
  return bins >= kEntropyLevels && bins <= TensorStats::kBins &&
         std::has_single_bit(static_cast<std::uint64_t>(bins));
}
std::string_view name_of(CalibratorKind kind) {
  return kNames.at(static_cast<std::size_t>(kind));
}
bool needs_histogram(CalibratorKind kind) {
  return kind != CalibratorKind::minmax && kind != CalibratorKind::moving_average;
}

ValueRange calibrated_range(const TensorStats& stats,
                            const Format& format,
                            const CalibratorSettings& settings) {
  if (stats.images() == 0)
    throw Error(ErrorCode::config, "a tensor was not calibrated: no image reached it");
  if (!(stats.max() > stats.min())) return whole(stats);
  switch (settings.kind) {
    case CalibratorKind::minmax:
      return whole(stats);
    case CalibratorKind::percentile:
      return percentile_range(Histogram(stats), format, settings.percentile);
    case CalibratorKind::entropy:
      if (!is_bin_count(settings.bins)) {
        throw Error(ErrorCode::config,
                    fmt::format("{} is no number of histogram bins", settings.bins),
                    "quantization.bins", "Use a power of two from 128 to 4096");
      }
      return entropy_range(Histogram(stats), stats, settings.bins);
    case CalibratorKind::mse:
      return mse_range(Histogram(stats), stats, format);
    case CalibratorKind::moving_average:
      return {stats.mean_min(), stats.mean_max()};
  }
  return whole(stats);
}

QuantParams calibrate(const TensorStats& stats,
                      const Format& format,
                      const CalibratorSettings& settings) {
  if (!has_scale(format)) return params_from_range(0.0f, 0.0f, format);
  // Block scales follow the values; the tensor's share of them must cover all of its range.
  const bool follows_values = format.scale != ScaleFormat::f32;
  const ValueRange range = calibrated_range(
      stats, format,
      follows_values ? CalibratorSettings{.kind = CalibratorKind::minmax} : settings);
  return params_from_range(static_cast<float>(range.low), static_cast<float>(range.high), format);
}

}  // namespace qsweep
