#include "src/metrics/statistics.h"

#include <cmath>

#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/random.h"

namespace qsweep {
namespace {

// Expected values without a derivation are SciPy's.

TEST(NormalQuantileTest, agrees_with_scipy) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_EQ(normal_quantile(0.5), 0.0);
  EXPECT_NEAR(normal_quantile(0.3), -0.5244005127080409, 1e-12);
  EXPECT_NEAR(normal_quantile(0.999999), 4.753424308817087, 1e-10);
  EXPECT_NEAR(normal_quantile(1e-10), -6.361340902404056, 1e-11);
  EXPECT_NEAR(normal_quantile(1e-300), -37.0470962993612, 1e-10);
  for (double bad : {0.0, 1.0, -0.1, 1.1}) EXPECT_THROW((void)normal_quantile(bad), Error);
}

TEST(WilsonIntervalTest, agrees_with_scipy) {
  const auto expect = [](std::int64_t k, std::int64_t n, double c, double low, double high) {
    const Interval i = wilson_interval(k, n, c);
    EXPECT_NEAR(i.low, low, 1e-12);
    EXPECT_NEAR(i.high, high, 1e-12);
  };
  expect(0, 10, 0.95, 0.0, 0.27753279986288926);
  expect(9, 10, 0.95, 0.5958499732047615, 0.9821237869049271);
  expect(873, 1000, 0.95, 0.8509252474282143, 0.8922199907415616);
  expect(50, 50, 0.99, 0.8828479082823721, 1.0);
  expect(0, 0, 0.95, 0.0, 1.0);
}

TEST(PairedDifferenceTest, is_the_adjusted_wald_interval) {
  // Bonett and Price: ((b + 1) - (c + 1)) / (n + 2) -+ z * sqrt(...), worked out by hand.
  const Interval i = paired_difference_interval(5, 15, 100, 0.95);
  EXPECT_NEAR(i.low, -0.18613603401644563, 1e-12);
  EXPECT_NEAR(i.high, -0.009942397356103375, 1e-12);
  const Interval none = paired_difference_interval(0, 0, 50, 0.95);
  EXPECT_NEAR(none.low, -0.053303993244218376, 1e-12);
  EXPECT_NEAR(none.high, 0.053303993244218376, 1e-12);
  const Interval swapped = paired_difference_interval(15, 5, 100, 0.95);
  EXPECT_DOUBLE_EQ(swapped.high, -i.low);
  EXPECT_EQ(paired_difference_interval(0, 0, 0, 0.95).high, 1.0);
  EXPECT_EQ(paired_difference_interval(1, 0, 1, 0.95).high, 1.0) << "a difference is at most 1";
}

TEST(PairedDifferenceTest, covers_the_truth_about_as_often_as_it_says) {
  Random random(5);
  constexpr int kTrials = 2000, kImages = 200;
  int covered = 0;
  for (int t = 0; t < kTrials; ++t) {
    std::int64_t a = 0, b = 0;
    for (int i = 0; i < kImages; ++i) {
      const double u = random.uniform();
      a += u < 0.06 ? 1 : 0;
      b += u >= 0.06 && u < 0.08 ? 1 : 0;
    }
    const Interval i = paired_difference_interval(a, b, kImages, 0.95);
    covered += i.low <= 0.04 && 0.04 <= i.high ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(covered) / kTrials, 0.95, 0.025);
}

TEST(PairedStandardErrorTest, is_that_of_a_mean_of_differences) {
  // Differences +1 three times, -1 once, 0 four times: population variance over n.
  const double mean = 2.0 / 8.0;
  const double variance = 4.0 / 8.0 - mean * mean;
  EXPECT_DOUBLE_EQ(paired_standard_error(3, 1, 8), std::sqrt(variance / 8.0));
  EXPECT_EQ(paired_standard_error(0, 0, 8), 0.0);
  EXPECT_EQ(paired_standard_error(0, 0, 0), 0.0);
}

TEST(McNemarTest, agrees_with_scipy) {
  EXPECT_NEAR(mcnemar_exact(5, 15), 0.04138946533203125, 1e-14);
  EXPECT_NEAR(mcnemar_exact(15, 5), 0.04138946533203125, 1e-14);
  EXPECT_NEAR(mcnemar_exact(0, 6), 0.03125, 1e-15);
  EXPECT_NEAR(mcnemar_exact(3, 1), 0.625, 1e-14);
  EXPECT_NEAR(mcnemar_exact(480, 560), 0.014259079095385853, 1e-12);
  EXPECT_NEAR(mcnemar_exact(100000, 100900), 0.044886148461475976, 1e-9);
  EXPECT_EQ(mcnemar_exact(10, 10), 1.0);
  EXPECT_EQ(mcnemar_exact(0, 0), 1.0);
}

}  // namespace
}  // namespace qsweep
