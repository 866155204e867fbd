#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/segmentation_data.h"

#include "sweep/scoring/scorer.h"

namespace qsweep {
namespace {

constexpr std::int64_t kPictures = 8;
constexpr std::int64_t kPixels = 6;  // 2 x 3

/// Pictures of 2 x 3 pixels: the left column is class 1, the middle 0, of the right one nothing
/// counts. Nothing is decoded.
class Stripes final : public SegmentationData {
 public:
  explicit Stripes(std::uint8_t left = 1) : left_(left) {}
  [[nodiscard]] std::int64_t size() const override { return kPictures; }
  [[nodiscard]] std::int64_t classes() const override { return 0; }
  [[nodiscard]] std::int64_t label(std::int64_t) const override { return 0; }
  [[nodiscard]] bool has_labels() const override { return false; }
  [[nodiscard]] Tensor images(std::span<const std::int64_t>) const override { return {}; }
  [[nodiscard]] Bytes sample_bytes(std::int64_t) const override { return {}; }
  [[nodiscard]] std::int64_t height() const override { return 2; }
  [[nodiscard]] std::int64_t width() const override { return 3; }
  [[nodiscard]] std::vector<std::uint8_t> mask(std::int64_t) const override {
    return {left_, 0, 255, left_, 0, 255};
  }
  [[nodiscard]] std::string mask_name(std::int64_t) const override { return "stripes.png"; }

 private:
  std::uint8_t left_;
};

JobConfig segmentation_job() {
  JobConfig job;
  job.task = "segmentation";
  return job;
}

const ScoredModel kModel{.outputs = {{1, 2, 2, 3}}, .input = {1, 3, 2, 3}};
const std::vector<std::int64_t> kAll = {0, 1, 2, 3, 4, 5, 6, 7};

/// Scores that say class 1 on the left; the first `wrong` pictures say class 0 everywhere.
Tensor found(int wrong) {
  Tensor scores(DType::f32, {kPictures, 2, 2, 3});
  const auto out = scores.mutable_data<float>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    const bool is_left = at % 3 == 0 && at / (2 * kPixels) >= wrong;
    const bool is_class_1 = at / kPixels % 2 == 1;
    out[i] = is_left == is_class_1 ? 1.0f : 0.0f;
  }
  return scores;
}

std::unique_ptr<const Verdict> verdict(const Scorer& task, const Tensor& output) {
  ByteWriter outcomes;
  const Tensor baseline = found(0);
  (void)task.score({&output, 1}, {&baseline, 1}, kAll, false, outcomes);
  return task.judge(outcomes.bytes(), false);
}

TEST(SegmentationScorerTest, counts_every_labelled_pixel) {
  const Stripes data;
  const auto task = make_scorer(segmentation_job(), kModel, data, kAll);
  EXPECT_EQ(task->metrics().front().name, "miou");
  EXPECT_EQ(task->class_names(), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(verdict(*task, found(0))->metric(), 1.0);
  const ScoreSummary s = verdict(*task, found(2))->summary();
  // Of 16 pixels of either class, 4 of class 1 are taken for class 0.
  EXPECT_EQ(s.images, kPictures);
  EXPECT_EQ(s.confusion, (std::vector<std::int64_t>{16, 0, 4, 12}));
  EXPECT_DOUBLE_EQ(s.class_metric.at(0), 16.0 / 20.0);
  EXPECT_DOUBLE_EQ(s.class_metric.at(1), 12.0 / 16.0);
  EXPECT_DOUBLE_EQ(s.metrics.at(0), (0.8 + 0.75) / 2);
  EXPECT_DOUBLE_EQ(s.metrics.at(1), (32.0 / 36.0 + 24.0 / 28.0) / 2);
  EXPECT_DOUBLE_EQ(s.metrics.at(2), 28.0 / 32.0);
  EXPECT_LT(s.interval.low, s.metrics[0]);
  EXPECT_GT(s.interval.high, s.metrics[0]);
}

TEST(SegmentationScorerTest, a_worse_model_drops_and_an_equal_one_does_not) {
  const Stripes data;
  const auto task = make_scorer(segmentation_job(), kModel, data, kAll);
  const auto baseline = verdict(*task, found(0));
  const ScoreComparison drop = verdict(*task, found(6))->compare(*baseline);
  EXPECT_DOUBLE_EQ(drop.drop, 1.0 - (16.0 / 28.0 + 4.0 / 16.0) / 2);
  EXPECT_GT(drop.interval.low, 0.0);
  EXPECT_LT(drop.p_value, 0.05);
  EXPECT_DOUBLE_EQ(drop.agreement, 20.0 / 32.0);
  const ScoreComparison none = baseline->compare(*baseline);
  EXPECT_EQ(none.drop, 0.0);
  EXPECT_EQ(none.p_value, 1.0);
  EXPECT_EQ(none.agreement, 1.0);
}

TEST(SegmentationScorerTest, outputs_that_are_no_numbers_are_wrong_and_infinitely_far) {
  const Stripes data;
  const auto task = make_scorer(segmentation_job(), kModel, data, kAll);
  Tensor broken = found(0);
  broken.mutable_data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const Tensor baseline = found(0);
  ByteWriter outcomes;
  const auto scores = task->score({&broken, 1}, {&baseline, 1}, kAll, false, outcomes);
  EXPECT_FALSE(scores[0].finite);
  EXPECT_TRUE(std::isinf(scores[0].divergence));
  EXPECT_TRUE(scores[1].finite);
  EXPECT_EQ(scores[1].divergence, 0.0f);
  EXPECT_DOUBLE_EQ(task->judge(outcomes.bytes(), false)->summary().metrics.at(2), 31.0 / 32.0);
}

TEST(SegmentationScorerTest, damaged_outcomes_are_noticed) {
  const Stripes data;
  const auto task = make_scorer(segmentation_job(), kModel, data, kAll);
  ByteWriter outcomes;
  const Tensor output = found(3);
  (void)task->score({&output, 1}, {&output, 1}, kAll, false, outcomes);
  for (std::size_t size = 0; size < outcomes.bytes().size(); ++size)
    EXPECT_THROW((void)task->judge(ByteView(outcomes.bytes()).first(size), false), Error) << size;
}

TEST(SegmentationScorerTest, data_and_model_have_to_fit) {
  const Stripes data;
  JobConfig job = segmentation_job();
  EXPECT_THROW((void)make_scorer(job, {.outputs = {{1, 10}}, .input = {1, 3, 2, 3}}, data, kAll),
               Error)
      << "an output without pixels";
  job.classes = 3;
  EXPECT_THROW((void)make_scorer(job, kModel, data, kAll), Error) << "other classes";
  const Stripes foreign(7);
  const auto task = make_scorer(segmentation_job(), kModel, foreign, kAll);
  EXPECT_THROW((void)verdict(*task, found(0)), Error) << "a mask with a class of its own";
}

}  // namespace
}  // namespace qsweep
