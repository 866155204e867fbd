#include "src/metrics/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "src/base/error.h"

namespace qsweep {
namespace {

template <std::size_t N>
double polynomial(const std::array<double, N>& c, double x) {
  double y = 0.0;
  for (double k : c) y = y * x + k;
  return y;
}

/// Acklam's rational approximation, relative error under 1.2e-9.
double quantile_approximation(double p) {
  constexpr std::array<double, 6> kA = {-3.969683028665376e+01, 2.209460984245205e+02,
                                        -2.759285104469687e+02, 1.383577518672690e+02,
                                        -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr std::array<double, 6> kB = {-5.447609879822406e+01, 1.615858368580409e+02,
                                        -1.556989798598866e+02, 6.680131188771972e+01,
                                        -1.328068155288572e+01, 1.0};
  constexpr std::array<double, 6> kC = {-7.784894002430293e-03, -3.223964580411365e-01,
                                        -2.400758277161838e+00, -2.549732539343734e+00,
                                        4.374664141464968e+00,  2.938163982698783e+00};
  constexpr std::array<double, 5> kD = {7.784695709041462e-03, 3.224671290700398e-01,
                                        2.445134137142996e+00, 3.754408661907416e+00, 1.0};
  constexpr double kTail = 0.02425;
  if (p < kTail) {
    const double q = std::sqrt(-2.0 * std::log(p));
    return polynomial(kC, q) / polynomial(kD, q);
  }
  if (p > 1.0 - kTail) return -quantile_approximation(1.0 - p);
  const double q = p - 0.5;
  return polynomial(kA, q * q) * q / polynomial(kB, q * q);
}

double two_sided_z(double confidence) {
  QSWEEP_CHECK(confidence > 0.0 && confidence < 1.0);
  return normal_quantile(0.5 + confidence / 2.0);
}

}  // namespace

double normal_quantile(double p) {
  QSWEEP_CHECK(p > 0.0 && p < 1.0);
  const double x = quantile_approximation(p);
  const double error = 0.5 * std::erfc(-x / std::numbers::sqrt2) - p;
  const double u = error * std::sqrt(2.0 * std::numbers::pi) * std::exp(x * x / 2.0);
  return x - u / (1.0 + x * u / 2.0);
}

Interval wilson_interval(std::int64_t successes, std::int64_t n, double confidence) {
  if (n == 0) return {0.0, 1.0};
  const double z = two_sided_z(confidence);
  const auto count = static_cast<double>(n);
  const double p = static_cast<double>(successes) / count;
  const double scale = 1.0 + z * z / count;
  const double center = (p + z * z / (2.0 * count)) / scale;
  const double half = z / scale * std::sqrt(p * (1.0 - p) / count + z * z / (4.0 * count * count));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

Interval paired_difference_interval(std::int64_t only_a,
                                    std::int64_t only_b,
                                    std::int64_t n,
                                    double confidence) {
  if (n == 0) return {-1.0, 1.0};
  // One image is added to each discordant cell (Laplace), which keeps coverage near nominal for
  // small counts.
  const double z = two_sided_z(confidence);
  const double total = static_cast<double>(n) + 2.0;
  const double a = (static_cast<double>(only_a) + 1.0) / total;
  const double b = (static_cast<double>(only_b) + 1.0) / total;
  const double half = z * std::sqrt((a + b - (a - b) * (a - b)) / total);
  return {std::max(-1.0, a - b - half), std::min(1.0, a - b + half)};
}

double paired_standard_error(std::int64_t only_a, std::int64_t only_b, std::int64_t n) {
  if (n == 0) return 0.0;
  const auto count = static_cast<double>(n);
  const double a = static_cast<double>(only_a) / count;
  const double b = static_cast<double>(only_b) / count;
  return std::sqrt(std::max(0.0, a + b - (a - b) * (a - b)) / count);
}

double mcnemar_exact(std::int64_t only_a, std::int64_t only_b) {
  const std::int64_t flips = only_a + only_b;
  const std::int64_t fewer = std::min(only_a, only_b);
  if (flips == 0) return 1.0;
  // P(fewer) = C(flips, fewer) / 2^flips, then downwards by the ratio of neighbours.
  double log_term = -static_cast<double>(flips) * std::numbers::ln2;
  for (std::int64_t i = 1; i <= fewer; ++i)
    log_term += std::log(static_cast<double>(flips - fewer + i) / static_cast<double>(i));
  double term = std::exp(log_term);
  double tail = 0.0;
  for (std::int64_t k = fewer; k >= 0; --k) {
    tail += term;
    term *= static_cast<double>(k) / static_cast<double>(flips - k + 1);
  }
  return std::min(1.0, 2.0 * tail);
}

}  // namespace qsweep
