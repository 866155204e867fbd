#include "src/quant/detail/histogram.h"

#include <algorithm>
#include <numeric>

#include "src/base/error.h"

namespace qsweep::detail {
namespace {

constexpr std::size_t kMiddle = TensorStats::kBins / 2;
/// Points per bin: a quantizer's step may be as narrow as a bin.
constexpr int kPointsPerBin = 4;

/// Where the running sum of `counts` reaches `wanted`, in bins.
template <class Count>
double bins_below(const Count& counts, std::size_t bins, double wanted) {
  double sum = 0.0;
  for (std::size_t b = 0; b < bins; ++b) {
    const auto c = static_cast<double>(counts(b));
    if (sum + c >= wanted && c > 0.0)
      return static_cast<double>(b) + std::max(0.0, (wanted - sum) / c);
    sum += c;
  }
  return static_cast<double>(bins);
}

}  // namespace

Histogram::Histogram(const TensorStats& stats)
    : stats_(stats),
      width_(2.0 * stats.amax() / TensorStats::kBins),
      total_(
          std::accumulate(stats.histogram().begin(), stats.histogram().end(), std::uint64_t{0})) {
  QSWEEP_CHECK(stats.histogram().size() == TensorStats::kBins);
}

double Histogram::edge(std::size_t bin) const {
  return width_ * static_cast<double>(bin) - stats_.amax();
}

double Histogram::quantile(double q) const {
  const double bins = bins_below([&](std::size_t b) { return stats_.histogram()[b]; },
                                 TensorStats::kBins, q * static_cast<double>(total_));
  return std::clamp(width_ * bins - stats_.amax(), static_cast<double>(stats_.min()),
                    static_cast<double>(stats_.max()));
}

double Histogram::magnitude_quantile(double q) const {
  const auto& counts = stats_.histogram();
  const auto folded = [&](std::size_t b) { return counts[kMiddle + b] + counts[kMiddle - 1 - b]; };
  return std::min(width_ * bins_below(folded, kMiddle, q * static_cast<double>(total_)),
                  stats_.amax());
}

double Histogram::share_outside(const ValueRange& range) const {
  double outside = 0.0;
  for (std::size_t b = 0; b < TensorStats::kBins; ++b) {
    const std::uint64_t count = stats_.histogram()[b];
    if (count == 0) continue;
    // The observed values of the outermost bins end at the extremes.
    const double begin = std::max(edge(b), static_cast<double>(stats_.min()));
    const double end = std::min(edge(b + 1), static_cast<double>(stats_.max()));
    const double inside = std::min(end, range.high) - std::max(begin, range.low);
    const bool is_point = !(end > begin);
    const double kept = is_point ? (begin >= range.low && begin <= range.high ? 1.0 : 0.0)
                                 : std::clamp(inside / (end - begin), 0.0, 1.0);
    outside += (1.0 - kept) * static_cast<double>(count);
  }
  return total_ > 0 ? outside / static_cast<double>(total_) : 0.0;
}

std::vector<std::int64_t> Histogram::coarse(int bins) const {
  const std::size_t group = TensorStats::kBins / static_cast<std::size_t>(bins);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(bins), 0);
  for (std::size_t b = 0; b < TensorStats::kBins; ++b)
    counts[b / group] += static_cast<std::int64_t>(stats_.histogram()[b]);
  return counts;
}

Histogram::Points Histogram::points() const {
  std::vector<float> values;
  Points points;
  for (std::size_t b = 0; b < TensorStats::kBins; ++b) {
    std::uint64_t count = stats_.histogram()[b];
    if (b == kMiddle) count -= std::min(count, stats_.zeros());
    if (count == 0) continue;
    for (int k = 0; k < kPointsPerBin; ++k) {
      const double value = edge(b) + width_ * (k + 0.5) / kPointsPerBin;
      values.push_back(std::clamp(static_cast<float>(value), stats_.min(), stats_.max()));
      points.weights.push_back(static_cast<double>(count) / kPointsPerBin /
                               static_cast<double>(total_));
    }
  }
  points.values = Tensor::of<float>(DType::f32, {static_cast<std::int64_t>(values.size())}, values);
  return points;
}

double Histogram::Points::squared_error(const QuantParams& params) const {
  const Tensor rounded = fake_quantize(values, params);
  const auto x = values.data<float>();
  const auto y = rounded.data<float>();
  double sum = 0.0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sum += weights[i] * d * d;
  }
  return sum;
}

}  // namespace qsweep::detail
