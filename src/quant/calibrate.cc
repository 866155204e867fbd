#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/quant/observer.h"

namespace qsweep {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"minmax", "percentile", "entropy", "mse"};

/// Clips tried by the mse calibrator, as shares of the observed range.
constexpr int kClipSteps = 100;
constexpr double kLeastClip = 0.05;
/// Bins the entropy calibrator folds a clipped histogram into: the codes of one sign of INT8.
constexpr std::size_t kEntropyLevels = 128;

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

class Histogram {
 public:
  explicit Histogram(const TensorStats& s)
      : counts_(s.histogram()),
        low_(static_cast<double>(s.min())),
        width_((static_cast<double>(s.max()) - low_) / TensorStats::kBins) {}
  [[nodiscard]] double edge(std::size_t bin) const {
    return low_ + width_ * static_cast<double>(bin);
  }
  [[nodiscard]] double center(std::size_t bin) const {
    return low_ + width_ * (static_cast<double>(bin) + 0.5);
  }
  [[nodiscard]] std::uint64_t count(std::size_t bin) const { return counts_[bin]; }
  [[nodiscard]] std::uint64_t total() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
  }

  /// Value below which a share q of the mass lies, linear within its bin.
  [[nodiscard]] double quantile(double q) const {
    const double wanted = q * static_cast<double>(total());
    double sum = 0.0;
    for (std::size_t b = 0; b < counts_.size(); ++b) {
      const auto c = static_cast<double>(counts_[b]);
      if (sum + c >= wanted && c > 0.0) return edge(b) + width_ * (wanted - sum) / c;
      sum += c;
    }
    return edge(counts_.size());
  }

  /// The histogram of |x| over [0, amax] in as many bins.
  [[nodiscard]] std::vector<double> magnitudes(double amax) const {
    std::vector<double> m(counts_.size(), 0.0);
    for (std::size_t b = 0; b < counts_.size(); ++b) {
      const double share = amax > 0.0 ? std::fabs(center(b)) / amax : 0.0;
      const auto bin = static_cast<std::size_t>(
          std::min(share * static_cast<double>(m.size()), static_cast<double>(m.size()) - 1.0));
      m[bin] += static_cast<double>(counts_[b]);
    }
    return m;
  }

 private:
  const std::vector<std::uint64_t>& counts_;
  double low_;
  double width_;
};

Interval percentile_range(const Histogram& h, const Format& format, double percentile) {
  const double tail = 1.0 - percentile / 100.0;
  if (!format.symmetric) return {h.quantile(tail / 2.0), h.quantile(1.0 - tail / 2.0)};
  const double amax = std::max(std::fabs(h.edge(0)), std::fabs(h.edge(TensorStats::kBins)));
  const std::vector<double> m = h.magnitudes(amax);
  const double wanted = (1.0 - tail) * static_cast<double>(h.total());
  double sum = 0.0;
  for (std::size_t b = 0; b < m.size(); ++b) {
    if (sum + m[b] >= wanted && m[b] > 0.0) {
      const double bins = static_cast<double>(b) + (wanted - sum) / m[b];
      const double threshold = amax * std::min(1.0, bins / static_cast<double>(m.size()));
      return {-threshold, threshold};
    }
    sum += m[b];
  }
  return {-amax, amax};
}

/// KL(p || q) where p is the histogram clipped at `bins` (outliers added to its last bin) and q the
/// same mass folded into kEntropyLevels levels and spread again over the bins that were not empty.
double clipped_divergence(const std::vector<double>& m, std::size_t bins) {
  std::vector<double> p(m.begin(), m.begin() + static_cast<std::ptrdiff_t>(bins));
  p.back() += std::accumulate(m.begin() + static_cast<std::ptrdiff_t>(bins), m.end(), 0.0);
  std::vector<double> q(bins, 0.0);
  for (std::size_t level = 0; level < kEntropyLevels; ++level) {
    const std::size_t begin = level * bins / kEntropyLevels;
    const std::size_t end = (level + 1) * bins / kEntropyLevels;
    double sum = 0.0;
    std::size_t filled = 0;
    for (std::size_t b = begin; b < end; ++b) {
      sum += m[b];
      filled += m[b] > 0.0 ? 1 : 0;
    }
    for (std::size_t b = begin; b < end; ++b)
      q[b] = m[b] > 0.0 ? sum / static_cast<double>(filled) : 0.0;
  }
  const double p_sum = std::accumulate(p.begin(), p.end(), 0.0);
  const double q_sum = std::accumulate(q.begin(), q.end(), 0.0);
  if (p_sum <= 0.0 || q_sum <= 0.0) return std::numeric_limits<double>::infinity();
  // Empty bins of q where p has mass would be infinite; both get the smoothing of the original
  // method.
  constexpr double kEpsilon = 1e-4;
  double divergence = 0.0;
  for (std::size_t b = 0; b < bins; ++b) {
    if (p[b] <= 0.0) continue;
    const double pb = p[b] / p_sum;
    const double qb = std::max(q[b] / q_sum, kEpsilon / static_cast<double>(bins));
    divergence += pb * std::log(pb / qb);
  }
  return divergence;
}

Interval entropy_range(const Histogram& h, const TensorStats& s) {
  const double amax =
      std::max(std::fabs(static_cast<double>(s.min())), std::fabs(static_cast<double>(s.max())));
  const std::vector<double> m = h.magnitudes(amax);
  std::size_t best = m.size();
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t bins = kEntropyLevels; bins <= m.size(); bins += 16) {
    const double divergence = clipped_divergence(m, bins);
    if (divergence < least) {
      least = divergence;
      best = bins;
    }
  }
  const double threshold = amax * static_cast<double>(best) / static_cast<double>(m.size());
  return {std::max(-threshold, static_cast<double>(s.min())),
          std::min(threshold, static_cast<double>(s.max()))};
}

/// The clip whose quantizer has the least squared error over the histogram's bin centres.
Interval mse_range(const Histogram& h, const TensorStats& s, const Format& format) {
  Tensor centers(DType::f32, {TensorStats::kBins});
  for (std::size_t b = 0; b < TensorStats::kBins; ++b)
    centers.mutable_data<float>()[b] = static_cast<float>(h.center(b));
  Interval best{static_cast<double>(s.min()), static_cast<double>(s.max())};
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step <= kClipSteps; ++step) {
    const double share = 1.0 - (1.0 - kLeastClip) * step / kClipSteps;
    const auto low = static_cast<float>(share * static_cast<double>(s.min()));
    const auto high = static_cast<float>(share * static_cast<double>(s.max()));
    const Tensor rounded = fake_quantize(centers, params_from_range(low, high, format));
    double error = 0.0;
    for (std::size_t b = 0; b < TensorStats::kBins; ++b) {
      const double d = static_cast<double>(centers.data<float>()[b]) -
                       static_cast<double>(rounded.data<float>()[b]);
      error += static_cast<double>(h.count(b)) * d * d;
    }
    if (error < least) {
      least = error;
      best = {static_cast<double>(low), static_cast<double>(high)};
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

std::string_view name_of(CalibratorKind kind) {
  return kNames.at(static_cast<std::size_t>(kind));
}
bool needs_histogram(CalibratorKind kind) {
  return kind != CalibratorKind::minmax;
}

QuantParams calibrate(const TensorStats& stats,
                      const Format& format,
                      const CalibratorSettings& settings) {
  if (!has_scale(format)) return params_from_range(0.0f, 0.0f, format);
  if (stats.images() == 0)
    throw Error(ErrorCode::config, "a tensor was not calibrated: no image reached it");
  Interval range{static_cast<double>(stats.min()), static_cast<double>(stats.max())};
  // Block scales follow the values; the tensor's share of them must cover all of its range.
  const bool searches = needs_histogram(settings.kind) && format.scale == ScaleFormat::f32;
  if (searches && stats.max() > stats.min()) {
    QSWEEP_CHECK(stats.histogram().size() == TensorStats::kBins);
    const Histogram h(stats);
    switch (settings.kind) {
      case CalibratorKind::percentile:
        range = percentile_range(h, format, settings.percentile);
        break;
      case CalibratorKind::entropy:
        range = entropy_range(h, stats);
        break;
      case CalibratorKind::mse:
        range = mse_range(h, stats, format);
        break;
      case CalibratorKind::minmax:
        break;
    }
  }
  return params_from_range(static_cast<float>(range.low), static_cast<float>(range.high), format);
}

}  // namespace qsweep
