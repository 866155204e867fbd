#include "sweep/plan/additive_latency.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/plan/layers.h"

namespace qsweep {
namespace {

class AdditiveLatencyTest : public testing::Test {
 protected:
  [[nodiscard]] FittedLatency fit() const { return fit_latency(measured_, layers_, precisions_); }
  [[nodiscard]] LatencyTable::Estimate of(const LatencyTable& table,
                                          std::vector<std::uint8_t> scheme) const {
    return table.scheme_ms(scheme, layers_, precisions_);
  }

  std::vector<Layer> layers_ = test::layers_named({"a", "b", "c"});
  PrecisionSet precisions_;
  std::uint8_t w8_ = precisions_.add("W8A8");
  /// Float: layers 1, 2, 3 ms and 2 ms beside them, 8 as a whole. W8A8: half of it in layers, more
  /// beside them.
  MeasuredLatency measured_{.place = {"device"},
                            .profiles = {{0, {1, 2, 3}, 2}, {w8_, {0.5, 1, 1.5}, 3}},
                            .wholes = {{{0, 0, 0}, 8}, {{w8_, w8_, w8_}, 6}},
                            .layers = {}};
};

TEST_F(AdditiveLatencyTest, uniform_files_take_their_whole_time_in_the_model_too) {
  const FittedLatency fitted = fit();
  EXPECT_DOUBLE_EQ(fitted.table.other_ms(), 2.0);
  ASSERT_EQ(fitted.residuals.size(), 2u);
  for (const LatencyResidual& r : fitted.residuals)
    EXPECT_NEAR(r.relative(), 0.0, 1e-12) << r.scheme;
  // What W8A8 spends beside layers and float does not is its layers'.
  EXPECT_NEAR(of(fitted.table, {w8_, 0, 0}).ms, 2 + 0.5 * 4 / 3 + 2 + 3, 1e-12);
  EXPECT_EQ(of(fitted.table, {w8_, 0, 0}).source, "fitted");
}

TEST_F(AdditiveLatencyTest, a_scheme_whose_file_was_timed_has_that_time) {
  measured_.wholes.push_back({{w8_, 0, 0}, 20});
  const FittedLatency fitted = fit();
  EXPECT_EQ(of(fitted.table, {w8_, 0, 0}).ms, 20.0);
  EXPECT_EQ(of(fitted.table, {w8_, 0, 0}).source, "whole file");
  EXPECT_EQ(of(fitted.table, {0, 0, 0}).ms, 8.0);
}

TEST_F(AdditiveLatencyTest, boundaries_cost_what_mixed_files_take_longer) {
  const double sum = 2 + 0.5 * 4 / 3 + 2 + 3;    // w8, float, float: one boundary
  const double twice = 2 + 1 + 1.0 * 4 / 3 + 3;  // float, w8, float: two
  measured_.wholes.push_back({{w8_, 0, 0}, sum + 0.25});
  measured_.wholes.push_back({{0, w8_, 0}, twice + 0.5});
  const FittedLatency fitted = fit();
  EXPECT_NEAR(fitted.table.boundary_ms(), 0.25, 1e-12);
  for (const LatencyResidual& r : fitted.residuals)
    EXPECT_NEAR(r.relative(), 0.0, 1e-12) << r.scheme;
  EXPECT_NEAR(of(fitted.table, {w8_, 0, w8_}).ms, 2 + 0.5 * 4 / 3 + 2 + 1.5 * 4 / 3 + 0.5, 1e-12);
}

TEST_F(AdditiveLatencyTest, a_boundary_never_gains) {
  measured_.wholes.push_back({{w8_, 0, 0}, 1});
  const FittedLatency fitted = fit();
  EXPECT_EQ(fitted.table.boundary_ms(), 0.0);
  double largest = 0.0;
  for (const LatencyResidual& r : fitted.residuals) largest = std::max(largest, r.relative());
  EXPECT_NEAR(largest, 2 + 0.5 * 4 / 3 + 2 + 3 - 1, 1e-12) << "the model's time is not 1 ms";
}

TEST_F(AdditiveLatencyTest, of_several_rounds_the_median_counts) {
  measured_.wholes.push_back({{0, 0, 0}, 9});
  measured_.wholes.push_back({{0, 0, 0}, 100});
  EXPECT_EQ(of(fit().table, {0, 0, 0}).ms, 9.0);
}

TEST_F(AdditiveLatencyTest, quantized_may_be_slower_than_float) {
  measured_.wholes[1].ms = 30;
  EXPECT_EQ(of(fit().table, {w8_, w8_, w8_}).ms, 30.0);
  EXPECT_GT(of(fit().table, {w8_, 0, 0}).ms, 8.0);
}

TEST_F(AdditiveLatencyTest, whole_files_alone_cover_their_schemes_only) {
  measured_.profiles.clear();
  const FittedLatency fitted = fit();
  EXPECT_EQ(of(fitted.table, {0, 0, 0}).ms, 8.0);
  EXPECT_FALSE(of(fitted.table, {w8_, 0, 0}).complete);
  EXPECT_TRUE(fitted.residuals.empty());
}

TEST_F(AdditiveLatencyTest, a_tables_layers_win_over_a_profile) {
  measured_.wholes.clear();
  measured_.layers = {{"a", "W8A8", 7, "table", "", {}}};
  measured_.other_ms = 1;
  const FittedLatency fitted = fit();
  EXPECT_NEAR(of(fitted.table, {w8_, 0, 0}).ms, 1 + 7 + (1.0 * 8 - 1) * (2 + 3) / 6, 1e-12);
  EXPECT_EQ(of(fitted.table, {w8_, 0, 0}).source, "fitted 2/3, table 1/3");
}

}  // namespace
}  // namespace qsweep
