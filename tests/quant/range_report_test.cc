#include "src/quant/range_report.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/quant/reference.h"

namespace qsweep {
namespace {

constexpr Format kUint8{.dtype = DType::u8, .symmetric = false};

TensorStats observed(const std::vector<float>& values) {
  TensorStats s;
  s.add_range(values);
  TensorStats h = s.empty_histogram();
  h.add_histogram(values);
  s.take_histogram(h);
  return s;
}

TEST(RangeReportTest, uniform_values_use_every_code_and_are_not_stretched) {
  std::vector<float> values;
  for (int i = 0; i <= 100000; ++i) values.push_back(static_cast<float>(i) / 50000.0f - 1.0f);
  const RangeReport r = report_range(observed(values), kUint8, {});
  const auto& minmax = r.of(CalibratorKind::minmax);
  EXPECT_EQ(minmax.low, -1.0);
  EXPECT_EQ(minmax.high, 1.0);
  EXPECT_EQ(minmax.clipped, 0.0);
  EXPECT_GE(minmax.codes_used, 255.0 / 256.0);  // zero takes a code, so one end may lose its own
  // Step s = 2 / 255: an error of s^2 / 12 on a mean square of 1 / 3.
  EXPECT_NEAR(minmax.error, std::pow(2.0 / 255.0, 2) / 12.0 / (1.0 / 3.0), 0.02 * minmax.error);
  EXPECT_NEAR(r.outlier_ratio, 1.0 / 0.999, 1e-3);
  EXPECT_NEAR(r.central_low, -0.98, 1e-3);
  EXPECT_NEAR(r.central_high, 0.98, 1e-3);
  EXPECT_EQ(r.best, CalibratorKind::minmax);
  EXPECT_FALSE(r.is_stretched);
}

TEST(RangeReportTest, clipped_share_is_the_mass_outside) {
  std::vector<float> values;
  for (int i = 0; i <= 100000; ++i) values.push_back(static_cast<float>(i) / 100000.0f);
  const RangeReport r =
      report_range(observed(values), kUint8, {.kind = CalibratorKind::minmax, .percentile = 90.0});
  EXPECT_NEAR(r.of(CalibratorKind::percentile).clipped, 0.1, 1e-3);
}

TEST(RangeReportTest, a_few_outliers_are_flagged_and_a_clipping_calibrator_is_best) {
  std::vector<float> values = test::wide_values(200000, 9, 0.0f);
  values[5] = -30.0f;
  values[6] = 40.0f;
  const RangeReport r = report_range(observed(values), kUint8, {});
  EXPECT_TRUE(r.is_stretched);
  EXPECT_GT(r.outlier_ratio, 8.0);
  EXPECT_NE(r.best, CalibratorKind::minmax);
  for (const auto& choice : r.choices) EXPECT_GE(choice.error, r.of(r.best).error);
  EXPECT_LT(r.of(CalibratorKind::minmax).codes_used, 0.5);
}

TEST(RangeReportTest, exact_zeros_cost_nothing) {
  std::vector<float> values(1000, 0.0f);
  for (int i = 0; i < 10; ++i) values[static_cast<std::size_t>(i)] = 10.0f;
  EXPECT_LT(report_range(observed(values), kUint8, {}).of(CalibratorKind::minmax).error, 1e-6);
}

}  // namespace
}  // namespace qsweep
