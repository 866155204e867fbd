#include "sweep/plan/sensitivity.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/support/layer_ids.h"

namespace qsweep {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

SensitivityRecord record(int layer,
                         double kl,
                         SensitivityMode mode = SensitivityMode::only,
                         std::uint8_t precision = 1) {
  SensitivityRecord r;
  r.layer = LayerId(layer);
  r.precision = precision;
  r.kl = kl;
  r.mode = mode;
  return r;
}

TEST(ScoreTest, larger_is_more_sensitive) {
  SensitivityRecord r;
  r.kl = 1.0;
  r.mse = 9.0;
  r.output_mse = 2.0;
  r.sqnr_db = 30.0;
  r.metric_drop = 0.25;
  EXPECT_EQ(score_of(r, Score::kl), 1.0);
  EXPECT_EQ(score_of(r, Score::mse), 2.0) << "of the model's outputs, not of the layer's";
  EXPECT_EQ(score_of(r, Score::sqnr), -30.0);
  EXPECT_EQ(score_of(r, Score::drop), 0.25);
  for (Score s : {Score::kl, Score::mse, Score::sqnr, Score::drop})
    EXPECT_EQ(parse_score(name_of(s)), s);
  try {
    (void)parse_score("hessian");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "unknown score 'hessian' [sensitivity.score]. Use kl, mse, sqnr or drop.");
  }
}

TEST(RankLayersTest, sorts_by_score_with_ties_in_layer_order) {
  const std::vector records = {record(3, 0.5), record(0, 0.1), record(2, 0.5), record(1, 0.9),
                               record(4, 5.0, SensitivityMode::only, 2)};
  EXPECT_EQ(rank_layers(records, 1, Score::kl), test::layer_ids({1, 2, 3, 0}));
  EXPECT_EQ(rank_layers(records, 2, Score::kl), test::layer_ids({4}));
  EXPECT_TRUE(rank_layers(records, 3, Score::kl).empty());
}

TEST(RankLayersTest, a_broken_model_is_the_most_sensitive) {
  const std::vector records = {record(0, 1.0), record(1, kNan), record(2, kInfinity)};
  EXPECT_EQ(rank_layers(records, 1, Score::kl), test::layer_ids({1, 2, 0}));
}

TEST(RankLayersTest, ranks_each_layer_once_whatever_the_modes) {
  const std::vector both = {record(0, 1.0), record(1, 2.0),
                            record(0, 9.0, SensitivityMode::all_but),
                            record(1, 3.0, SensitivityMode::all_but)};
  EXPECT_EQ(rank_layers(both, 1, Score::kl), test::layer_ids({1, 0}));
  const std::vector all_but = {record(0, 9.0, SensitivityMode::all_but),
                               record(1, 3.0, SensitivityMode::all_but),
                               record(1, 3.0, SensitivityMode::only, 2)};
  EXPECT_EQ(rank_layers(all_but, 1, Score::kl), test::layer_ids({0, 1}));
}

TEST(ClassifyTest, needs_a_drop_that_noise_does_not_explain) {
  const auto classified = [](double drop, double low, bool nonfinite = false) {
    SensitivityRecord r;
    r.metric_drop = drop;
    r.drop_low = low;
    r.has_nonfinite = nonfinite;
    return classify(r, 0.01);
  };
  EXPECT_EQ(classified(0.01, 0.001), SensitivityClass::high);
  EXPECT_EQ(classified(0.05, 0.0), SensitivityClass::medium) << "large but not certain";
  EXPECT_EQ(classified(0.002, 0.001), SensitivityClass::medium) << "certain but small";
  EXPECT_EQ(classified(0.005, -0.001), SensitivityClass::medium);
  EXPECT_EQ(classified(0.004, -0.001), SensitivityClass::low);
  EXPECT_EQ(classified(-0.2, -0.3), SensitivityClass::low);
  EXPECT_EQ(classified(0.0, 0.0, true), SensitivityClass::high);
  EXPECT_EQ(name_of(SensitivityClass::high), "High");
  EXPECT_EQ(name_of(SensitivityClass::medium), "Medium");
  EXPECT_EQ(name_of(SensitivityClass::low), "Low");
}

TEST(RankCorrelationTest, agrees_with_scipy_on_ties) {
  const std::vector<double> a = {1, 2, 2, 4, 5, 7, 7, 9}, b = {2, 1, 3, 3, 6, 5, 9, 9};
  EXPECT_NEAR(spearman(a, b), 0.8902439024390245, 1e-14);
  EXPECT_NEAR(kendall(a, b), 0.7692307692307694, 1e-14);
}

TEST(RankCorrelationTest, extremes) {
  const std::vector<double> up = {1, 2, 3, 4}, down = {9, 7, 0, -3};
  EXPECT_DOUBLE_EQ(spearman(up, up), 1.0);
  EXPECT_DOUBLE_EQ(spearman(up, down), -1.0);
  EXPECT_DOUBLE_EQ(kendall(up, up), 1.0);
  EXPECT_DOUBLE_EQ(kendall(up, down), -1.0);
  const std::vector<double> infinite = {1, 2, kInfinity, kInfinity}, tied = {1, 2, 3, 3};
  EXPECT_DOUBLE_EQ(kendall(infinite, tied), 1.0);
  EXPECT_DOUBLE_EQ(spearman(infinite, tied), 1.0);
}

TEST(RankCorrelationTest, is_nan_where_it_has_no_meaning) {
  const std::vector<double> constant = {1, 1, 1}, up = {1, 2, 3}, bad = {1, kNan, 3};
  for (auto correlation : {spearman, kendall}) {
    EXPECT_TRUE(std::isnan(correlation(constant, up)));
    EXPECT_TRUE(std::isnan(correlation(up, bad)));
    EXPECT_TRUE(std::isnan(correlation(bad, up)));
    EXPECT_TRUE(std::isnan(correlation({}, {})));
    EXPECT_THROW((void)correlation(up, std::vector<double>{1, 2}), Error);
  }
}

}  // namespace
}  // namespace qsweep
