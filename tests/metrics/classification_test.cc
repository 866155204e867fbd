#include "src/metrics/classification.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor scores(std::int64_t classes, const std::vector<float>& values) {
  return Tensor::of<float>(DType::f32,
                           {static_cast<std::int64_t>(values.size()) / classes, classes}, values);
}

TEST(ScoreClassificationTest, takes_the_lowest_index_among_equal_maxima) {
  const auto o = score_classification(scores(3, {1, 5, 5, 2, 1, 0}), {},
                                      std::vector<std::int64_t>{1, 1}, false);
  EXPECT_EQ(o[0].top1, 1);
  EXPECT_EQ(o[0].margin, 0.0f);
  EXPECT_EQ(o[1].top1, 0);
  EXPECT_EQ(o[1].margin, 1.0f);
  EXPECT_EQ(o[1].kl, 0.0f) << "no baseline";
}

TEST(ScoreClassificationTest, top5_breaks_ties_by_lower_index) {
  const std::vector<float> row = {9, 3, 3, 3, 3, 3, 3};  // 0, then 1..4
  for (std::int64_t label = 0; label < 7; ++label) {
    EXPECT_EQ(score_classification(scores(7, row), {}, std::vector{label}, false)[0].in_top5,
              label <= 4)
        << label;
  }
  EXPECT_TRUE(
      score_classification(scores(2, {1, 2}), {}, std::vector<std::int64_t>{0}, false)[0].in_top5);
}

TEST(ScoreClassificationTest, divergence_is_that_of_the_softmax) {
  // numpy: sum softmax(x) * (log_softmax(x) - log_softmax(y)).
  const Tensor x = scores(3, {2, 1, 0.5f, 0.1f, 3, -1});
  const Tensor y = scores(3, {1.5f, 1.25f, 0.5f, 0, 2, 4});
  const auto o = score_classification(y, x, std::vector<std::int64_t>{0, 1}, false);
  EXPECT_NEAR(o[0].kl, 0.05601366816168605, 1e-8);
  EXPECT_NEAR(o[1].kl, 1.9236351324260499, 1e-6);
  EXPECT_EQ(score_classification(x, x, std::vector<std::int64_t>{0, 1}, false)[0].kl, 0.0f);
}

TEST(ScoreClassificationTest, divergence_of_probabilities_takes_them_as_they_are) {
  const Tensor p = scores(2, {0.75f, 0.25f}), q = scores(2, {0.5f, 0.5f});
  const auto o = score_classification(q, p, std::vector<std::int64_t>{0}, true);
  EXPECT_NEAR(o[0].kl, 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-7);
  const auto certain =
      score_classification(scores(2, {1, 0}), q, std::vector<std::int64_t>{0}, true);
  EXPECT_TRUE(std::isfinite(certain[0].kl)) << "an underflowed softmax is not infinitely wrong";
  EXPECT_NEAR(certain[0].kl, 0.5 * std::log(0.5) + 0.5 * std::log(0.5 / 1e-30), 1e-4);
}

TEST(ScoreClassificationTest, divergence_of_far_logits_is_exact) {
  // softmax of {0, -1000} against {-1000, 0}: p is 1 on the first class, log q there is -1000.
  const auto o = score_classification(scores(2, {-1000, 0}), scores(2, {0, -1000}),
                                      std::vector<std::int64_t>{0}, false);
  EXPECT_EQ(o[0].kl, 1000.0f);
}

TEST(ScoreClassificationTest, scores_that_are_not_finite_count_as_wrong) {
  for (float bad : {kNan, kInfinity, -kInfinity}) {
    const auto o = score_classification(scores(2, {1, bad}), scores(2, {1, 0}),
                                        std::vector<std::int64_t>{0}, false);
    EXPECT_EQ(o[0], (ImageOutcome{.top1 = -1, .in_top5 = false, .margin = 0.0f, .kl = kInfinity}));
    const auto without =
        score_classification(scores(2, {1, bad}), {}, std::vector<std::int64_t>{0}, false);
    EXPECT_EQ(without[0].kl, kInfinity);
    const auto baseline = score_classification(scores(2, {1, 0}), scores(2, {1, bad}),
                                               std::vector<std::int64_t>{0}, false);
    EXPECT_EQ(baseline[0].top1, 0);
    EXPECT_EQ(baseline[0].kl, kInfinity) << "nothing to compare with";
  }
}

TEST(ScoreClassificationTest, a_label_the_model_does_not_know_is_never_right) {
  for (std::int64_t label : {-1, 2, 1000}) {
    const auto o = score_classification(scores(2, {1, 0}), {}, std::vector{label}, false);
    EXPECT_EQ(o[0].top1, 0);
    EXPECT_FALSE(o[0].in_top5);
  }
}

TEST(ScoreClassificationTest, one_class_has_its_score_as_margin) {
  const auto o = score_classification(scores(1, {2.5f}), {}, std::vector<std::int64_t>{0}, false);
  EXPECT_EQ(o[0].margin, 2.5f);
  EXPECT_EQ(o[0].top1, 0);
}

TEST(ScoreClassificationTest, operands_that_do_not_fit_are_refused) {
  const std::vector<std::int64_t> two = {0, 0}, one = {0};
  EXPECT_THROW((void)score_classification(scores(2, {1, 0}), {}, two, false), Error);
  EXPECT_THROW((void)score_classification(scores(2, {1, 0}), scores(1, {1}), one, false), Error);
  EXPECT_THROW((void)score_classification(Tensor(DType::f32, {1, 0}), {}, one, false), Error);
}

std::vector<ImageOutcome> predictions(const std::vector<std::int32_t>& top1) {
  std::vector<ImageOutcome> outcomes;
  for (std::int32_t p : top1)
    outcomes.push_back({.top1 = p, .in_top5 = p != 2, .margin = 0.5f, .kl = 0.25f});
  return outcomes;
}

TEST(SummarizeTest, counts_by_class_and_pair) {
  const std::vector<std::int64_t> labels = {0, 0, 1, 2, 1};
  const ClassificationSummary s = summarize(predictions({0, 1, 1, 0, -1}), labels, 3);
  EXPECT_EQ(s.images, 5);
  EXPECT_EQ(s.top1_correct, 2);
  EXPECT_EQ(s.top5_correct, 5);
  EXPECT_DOUBLE_EQ(s.top1(), 0.4);
  EXPECT_DOUBLE_EQ(s.top5(), 1.0);
  EXPECT_EQ(s.class_images, (std::vector<std::int64_t>{2, 2, 1}));
  EXPECT_EQ(s.class_correct, (std::vector<std::int64_t>{1, 1, 0}));
  EXPECT_EQ(s.confusion, (std::vector<std::int64_t>{1, 1, 0, 0, 1, 0, 1, 0, 0}));
  EXPECT_DOUBLE_EQ(s.mean_kl, 0.25);
  EXPECT_DOUBLE_EQ(s.mean_margin, 0.5);
}

TEST(SummarizeTest, predictions_outside_the_classes_are_in_no_column) {
  const ClassificationSummary s = summarize(predictions({7}), std::vector<std::int64_t>{1}, 3);
  EXPECT_EQ(s.top1_correct, 0);
  EXPECT_EQ(s.confusion, std::vector<std::int64_t>(9, 0));
}

TEST(SummarizeTest, no_images_give_zeros) {
  const ClassificationSummary s = summarize({}, {}, 2);
  EXPECT_EQ(s.top1(), 0.0);
  EXPECT_EQ(s.mean_kl, 0.0);
}

TEST(CompareTest, counts_discordant_images) {
  const std::vector<std::int64_t> labels = {0, 0, 0, 0, 1, 1, 1, 1};
  const auto baseline = predictions({0, 0, 0, 1, 1, 1, 0, 0});
  const auto scheme = predictions({0, 1, 1, 0, 1, 0, 0, 2});
  const PairedComparison p = compare(baseline, scheme, labels, 0.95);
  EXPECT_EQ(p.images, 8);
  EXPECT_EQ(p.only_baseline_correct, 3);
  EXPECT_EQ(p.only_scheme_correct, 1);
  EXPECT_EQ(p.agreeing, 3);
  EXPECT_DOUBLE_EQ(p.drop, 0.25);
  EXPECT_DOUBLE_EQ(p.standard_error, paired_standard_error(3, 1, 8));
  EXPECT_DOUBLE_EQ(p.interval.low, paired_difference_interval(3, 1, 8, 0.95).low);
  EXPECT_DOUBLE_EQ(p.interval.high, paired_difference_interval(3, 1, 8, 0.95).high);
  EXPECT_DOUBLE_EQ(p.p_value, 0.625);
}

TEST(CompareTest, a_scheme_against_itself_shows_no_difference) {
  const std::vector<std::int64_t> labels = {0, 1};
  const auto o = predictions({0, 0});
  const PairedComparison p = compare(o, o, labels, 0.95);
  EXPECT_EQ(p.drop, 0.0);
  EXPECT_EQ(p.standard_error, 0.0);
  EXPECT_EQ(p.p_value, 1.0);
  EXPECT_EQ(p.agreeing, 2);
}

}  // namespace
}  // namespace qsweep
