#pragma once

#include <cstdint>

namespace qsweep {

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

/// Quantile of the standard normal distribution (Acklam's approximation refined by one Halley step;
/// 1e-12).
[[nodiscard]] double normal_quantile(double p);

/// Wilson (1927) score interval of a proportion.
[[nodiscard]] Interval wilson_interval(std::int64_t successes, std::int64_t n, double confidence);

/// Interval of p_a - p_b from paired outcomes, by adjusted Wald (Bonett & Price 2012).
/// @param only_a images right under a and wrong under b; only_b the reverse
[[nodiscard]] Interval paired_difference_interval(std::int64_t only_a,
                                                  std::int64_t only_b,
                                                  std::int64_t n,
                                                  double confidence);
/// Standard error of the paired difference.
[[nodiscard]] double paired_standard_error(std::int64_t only_a,
                                           std::int64_t only_b,
                                           std::int64_t n);

/// Two-sided exact McNemar test: P(at least this imbalance | only_a + only_b fair flips).
[[nodiscard]] double mcnemar_exact(std::int64_t only_a, std::int64_t only_b);

}  // namespace qsweep
