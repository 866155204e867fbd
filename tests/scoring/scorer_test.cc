#include "sweep/scoring/scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/detection_data.h"

namespace qsweep {
namespace {

/// Ten 100 x 100 pictures with one object each, alternating between two classes. Nothing is
/// decoded.
class TenPictures final : public DetectionData {
 public:
  TenPictures() {
    for (std::int64_t i = 0; i < size(); ++i) {
      annotations_.pictures.push_back({100 + i, "p", 100, 100});
      annotations_.truths.push_back({.image = i,
                                     .category = static_cast<std::int32_t>(i % 2),
                                     .box = {10, 20, 30, 40},
                                     .area = 1200});
    }
    annotations_.categories = {{3, "car"}, {18, "dog"}};
  }
  [[nodiscard]] std::int64_t size() const override { return 10; }
  [[nodiscard]] std::int64_t classes() const override { return 2; }
  [[nodiscard]] std::int64_t label(std::int64_t) const override { return 0; }
  [[nodiscard]] bool has_labels() const override { return false; }
  [[nodiscard]] Tensor images(std::span<const std::int64_t>) const override { return {}; }
  [[nodiscard]] Bytes sample_bytes(std::int64_t) const override { return {}; }
  [[nodiscard]] const Annotations& annotations() const override { return annotations_; }
  [[nodiscard]] std::span<const TruthBox> truths(std::int64_t sample) const override {
    return {&annotations_.truths[static_cast<std::size_t>(sample)], 1};
  }
  /// The input is half the picture's size.
  [[nodiscard]] Placement placement(std::int64_t) const override {
    return {0.5, 0.5, 0, 0, 50, 50};
  }
  [[nodiscard]] Picture picture(std::int64_t) const override { return {}; }

 private:
  Annotations annotations_;
};

JobConfig detection_job() {
  JobConfig job;
  job.task = "detection";
  job.head.kind = "end_to_end";
  return job;
}

const ScoredModel kModel{.outputs = {{1, 1, 6}}, .input = {1, 3, 50, 50}};
const std::vector<std::int64_t> kAll = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

/// Every picture's object, found where it is; the first `missed` as the other class.
Tensor found(int missed) {
  std::vector<float> rows;
  for (int i = 0; i < 10; ++i) {
    const int wrong = i < missed ? 1 : 0;
    const std::vector<float> row = {
        5, 10, 20, 30, 0.5f + 0.01f * static_cast<float>(i), static_cast<float>((i + wrong) % 2)};
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return Tensor::of<float>(DType::f32, {10, 1, 6}, rows);
}

std::unique_ptr<const Verdict> verdict(const Scorer& task, const Tensor& output) {
  ByteWriter outcomes;
  const Tensor baseline = found(0);
  (void)task.score({&output, 1}, {&baseline, 1}, kAll, false, outcomes);
  return task.judge(outcomes.bytes(), false);
}

TEST(DetectionScorerTest, finding_everything_is_an_ap_of_one) {
  const TenPictures data;
  const auto task = make_scorer(detection_job(), kModel, data, kAll);
  EXPECT_EQ(task->metrics().front().name, "map");
  EXPECT_EQ(task->class_names(), (std::vector<std::string>{"car", "dog"}));
  const auto all = verdict(*task, found(0));
  EXPECT_NEAR(all->metric(), 1.0, 1e-12);
  const ScoreSummary summary = all->summary();
  EXPECT_EQ(summary.images, 10);
  EXPECT_NEAR(summary.interval.low, 1.0, 1e-12);
  EXPECT_EQ(summary.class_metric.size(), 2u);
  ASSERT_EQ(summary.detections.size(), 10u);
  EXPECT_NEAR(summary.detections[3].box.x, 10.0, 0.002);
  EXPECT_NEAR(summary.detections[3].box.height, 40.0, 0.002);
  EXPECT_NE(all->predictions().find("\"image_id\":103,\"category_id\":18,"), std::string::npos)
      << all->predictions();
}

TEST(DetectionScorerTest, a_worse_model_drops_and_an_equal_one_does_not) {
  const TenPictures data;
  const auto task = make_scorer(detection_job(), kModel, data, kAll);
  const auto baseline = verdict(*task, found(0));
  const auto worse = verdict(*task, found(6));
  const ScoreComparison drop = worse->compare(*baseline);
  EXPECT_DOUBLE_EQ(drop.drop, baseline->metric() - worse->metric());
  EXPECT_GT(drop.interval.low, 0.0);
  EXPECT_LT(drop.interval.low, drop.drop);
  EXPECT_GT(drop.interval.high, drop.drop);
  EXPECT_LT(drop.p_value, 0.05);
  EXPECT_NEAR(drop.agreement, 0.4, 1e-12);
  const ScoreComparison none = baseline->compare(*baseline);
  EXPECT_EQ(none.drop, 0.0);
  EXPECT_EQ(none.interval.low, 0.0);
  EXPECT_EQ(none.interval.high, 0.0);
  EXPECT_EQ(none.p_value, 1.0);
  EXPECT_EQ(none.agreement, 1.0);
}

TEST(DetectionScorerTest, a_box_without_a_place_or_a_score_takes_no_other_along) {
  const TenPictures data;
  const auto task = make_scorer(detection_job(), kModel, data, kAll);
  // Each picture's object, and a second box of which one value is missing.
  const Tensor one = found(0);
  Tensor two(DType::f32, {10, 2, 6});
  for (std::size_t i = 0; i < 10; ++i) {
    const auto row = one.data<float>().subspan(6 * i, 6);
    std::ranges::copy(row, two.mutable_data<float>().begin() + static_cast<std::ptrdiff_t>(12 * i));
    const auto broken = two.mutable_data<float>().subspan(12 * i + 6, 6);
    std::ranges::copy(row, broken.begin());
    broken[i % 6] = i < 6 ? std::nanf("") : std::numeric_limits<float>::infinity();
  }
  ByteWriter outcomes;
  for (const ImageScore& score : task->score({&two, 1}, {&two, 1}, kAll, false, outcomes)) {
    EXPECT_TRUE(score.finite);
    EXPECT_EQ(score.divergence, 0.0f);
  }
  const auto all = task->judge(outcomes.bytes(), false);
  EXPECT_EQ(all->summary().detections.size(), 10u);
  EXPECT_NEAR(all->metric(), 1.0, 1e-12);
}

TEST(DetectionScorerTest, outputs_that_are_not_finite_find_nothing_and_are_infinitely_far) {
  const TenPictures data;
  const auto task = make_scorer(detection_job(), kModel, data, kAll);
  Tensor broken = found(0);
  broken.mutable_data<float>()[2] = std::nanf("");
  const Tensor baseline = found(0);
  ByteWriter outcomes;
  const auto scores = task->score({&broken, 1}, {&baseline, 1}, kAll, false, outcomes);
  EXPECT_FALSE(scores[0].finite);
  EXPECT_TRUE(std::isinf(scores[0].divergence));
  EXPECT_TRUE(scores[1].finite);
  EXPECT_EQ(scores[1].divergence, 0.0f);
  EXPECT_EQ(task->judge(outcomes.bytes(), false)->summary().detections.size(), 9u);
}

TEST(DetectionScorerTest, damaged_outcomes_are_noticed) {
  const TenPictures data;
  const auto task = make_scorer(detection_job(), kModel, data, kAll);
  ByteWriter outcomes;
  const Tensor output = found(0);
  (void)task->score({&output, 1}, {&output, 1}, kAll, false, outcomes);
  for (std::size_t size = 0; size < outcomes.bytes().size(); ++size)
    EXPECT_THROW((void)task->judge(ByteView(outcomes.bytes()).first(size), false), Error) << size;
}

TEST(ScorerTest, data_and_task_have_to_fit) {
  const TenPictures data;
  JobConfig job;
  EXPECT_THROW((void)make_scorer(job, {.outputs = {{1, 10}}, .input = {1, 3, 50, 50}}, data, kAll),
               Error)
      << "classification of pictures without labels";
  job = detection_job();
  job.classes = 1;
  EXPECT_THROW((void)make_scorer(job, kModel, data, kAll), Error) << "fewer classes";
  job.task = "astrology";
  EXPECT_THROW((void)make_scorer(job, kModel, data, kAll), Error);
}

}  // namespace
}  // namespace qsweep
