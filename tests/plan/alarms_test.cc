#include "sweep/plan/alarms.h"

#include <limits>

#include <gtest/gtest.h>

#include "src/metrics/statistics.h"

#include "sweep/plan/decision.h"

#include "tests/support/small_run.h"

namespace qsweep {
namespace {

using About = RunResults::Alarm::About;

/// A classifier that gets `right` of `images` images right; the rest go to the next class.
RunResults classifier(std::int64_t right, std::int64_t images, std::int64_t classes) {
  RunResults run;
  run.model.classes = classes;
  for (std::int64_t c = 0; c < classes; ++c) run.class_names.push_back(std::to_string(c));
  run.baseline.images = images;
  run.baseline.metric = static_cast<double>(right) / static_cast<double>(images);
  const Interval interval = wilson_interval(right, images, 0.95);
  run.baseline.ci_low = interval.low;
  run.baseline.ci_high = interval.high;
  const auto n = static_cast<std::size_t>(classes);
  run.baseline.confusion.assign(n * n, 0);
  for (std::int64_t i = 0; i < images; ++i) {
    const auto label = static_cast<std::size_t>(i) % n;
    const std::size_t predicted = i < right ? label : (label + 1) % n;
    ++run.baseline.confusion[label * n + predicted];
  }
  return run;
}

std::string only_text(const RunResults& run) {
  const auto alarms = find_alarms(run);
  return alarms.size() == 1 ? alarms.front().text : std::to_string(alarms.size()) + " alarms";
}

TEST(AlarmsTest, a_float_model_at_chance_is_said_with_what_to_check) {
  const RunResults run = classifier(1000, 10000, 10);
  EXPECT_EQ(
      only_text(run),
      "The float model looks wrong: top-1 is 10.0 % on 10 classes and 10000 images, which is "
      "chance. Check scale, mean, std, color and layout of the input, and that the labels are "
      "the model's.");
  EXPECT_EQ(find_alarms(run).front().about, About::float_model);
}

TEST(AlarmsTest, near_chance_below_it_and_too_few_images_have_their_own_words) {
  EXPECT_NE(only_text(classifier(2000, 10000, 10)).find("which is near chance"), std::string::npos);
  EXPECT_NE(only_text(classifier(10, 10000, 10)).find("which is below chance"), std::string::npos);
  EXPECT_NE(only_text(classifier(3, 20, 10)).find("which cannot be told from chance"),
            std::string::npos);
  EXPECT_NE(only_text(classifier(52, 100, 2)).find("which is chance"), std::string::npos);
}

TEST(AlarmsTest, a_working_model_raises_none_however_few_the_images) {
  for (const auto& [right, images, classes] :
       std::vector<std::array<std::int64_t, 3>>{{8700, 10000, 10},
                                                {7, 20, 10},
                                                {3, 4, 2},
                                                {1, 1, 10},
                                                {15, 20, 2},
                                                {300, 1000, 100},
                                                {3, 4, 3},
                                                {2600, 10000, 10}}) {
    EXPECT_TRUE(find_alarms(classifier(right, images, classes)).empty())
        << right << " of " << images << ", " << classes << " classes";
  }
}

TEST(AlarmsTest, one_class_for_all_images_is_an_alarm_unless_nearly_all_are_of_it) {
  RunResults run = classifier(50, 100, 2);
  run.baseline.metric = 0.7;
  run.baseline.ci_low = 0.6;
  run.baseline.ci_high = 0.78;
  run.baseline.confusion = {70, 0, 30, 0};
  EXPECT_NE(only_text(run).find("it gives class '0' for all 100 images"), std::string::npos)
      << only_text(run);
  run.baseline.metric = run.baseline.ci_low = 0.95;
  run.baseline.confusion = {95, 0, 5, 0};
  EXPECT_TRUE(find_alarms(run).empty());
  // Predictions beyond the labels' classes are in no column.
  run.baseline.metric = 0.7;
  run.baseline.confusion = {60, 0, 20, 0};
  EXPECT_TRUE(find_alarms(run).empty());
}

TEST(AlarmsTest, labels_of_fewer_classes_than_the_model_scores_are_an_alarm_where_they_do_not_fit) {
  RunResults run = classifier(12, 60, 10);
  run.model.classes = 100;
  const auto alarms = find_alarms(run);
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_NE(alarms[1].text.find("it scores 100 classes, but the labels are of 10"),
            std::string::npos);
  // A handful of images may well miss the last classes, and a model that is right fits its labels.
  run = classifier(5, 12, 8);
  run.model.classes = 10;
  EXPECT_TRUE(find_alarms(run).empty());
  run = classifier(900, 1000, 10);
  run.model.classes = 1000;
  EXPECT_TRUE(find_alarms(run).empty());
}

TEST(AlarmsTest, outputs_that_are_not_finite_are_an_alarm) {
  RunResults run = classifier(90, 100, 10);
  run.baseline.nonfinite = true;
  EXPECT_NE(only_text(run).find("its outputs hold NaN or infinity"), std::string::npos);
}

TEST(AlarmsTest, a_detector_that_finds_nothing_is_an_alarm_where_there_is_something) {
  RunResults run;
  run.metric = "map";
  run.baseline.images = 100;
  run.baseline.metric = 0.0004;
  const double none = std::numeric_limits<double>::quiet_NaN();
  run.baseline.class_metric = {none, 0.0008, 0.0};
  EXPECT_NE(only_text(run).find("mAP is 0.04 % though objects are annotated"), std::string::npos);
  run.baseline.metric = 0.02;
  EXPECT_TRUE(find_alarms(run).empty());
  run.baseline.metric = none;
  run.baseline.class_metric = {none, none};
  EXPECT_TRUE(find_alarms(run).empty());
}

TEST(AlarmsTest, a_segmenter_that_gives_one_class_is_an_alarm) {
  RunResults run;
  run.metric = "miou";
  run.baseline.images = 4;
  run.baseline.confusion = {90, 0, 0, 10, 0, 0, 0, 0, 0};
  run.baseline.metric = 0.45;
  EXPECT_NE(only_text(run).find("mean IoU is 45.0 %, and the most frequent class for every pixel "
                                "would give 45.0 %"),
            std::string::npos)
      << only_text(run);
  run.baseline.metric = 0.6;
  EXPECT_TRUE(find_alarms(run).empty());
}

TEST(AlarmsTest, what_data_leaves_out_is_said_and_puts_no_doubt_on_the_model) {
  RunResults run = small_run();
  run.evaluation.remarks = {"4 pictures of evaluation are left out: .bmp"};
  run.calibration.remarks = run.evaluation.remarks;
  run.alarms = find_alarms(run);
  ASSERT_EQ(run.alarms.size(), 1u);
  EXPECT_EQ(run.alarms[0].about, About::data);
  EXPECT_EQ(run.alarms[0].text, run.evaluation.remarks[0]);
  EXPECT_EQ(decide(run).verdict, decide(small_run()).verdict);
}

TEST(AlarmsTest, a_collapsed_scheme_and_a_run_without_baseline_raise_none) {
  RunResults run = classifier(900, 1000, 10);
  run.evaluations.push_back(classifier(100, 1000, 10).baseline);
  EXPECT_TRUE(find_alarms(run).empty());
  EXPECT_TRUE(find_alarms(RunResults{}).empty());
}

TEST(AlarmsTest, nothing_is_accepted_of_a_float_model_in_doubt) {
  RunResults run = small_run();
  run.evaluations = {run.evaluations.at(1)};
  run.baseline.metric = 0.95;
  ASSERT_EQ(decide(run).verdict, "accept");
  run.alarms = {{About::data, "a picture is left out"}, {About::float_model, "it looks wrong"}};
  const Decision decision = decide(run);
  EXPECT_EQ(decision.verdict, "float model in doubt");
  EXPECT_EQ(decision.accuracy_verdict, "float model in doubt");
  EXPECT_EQ(decision.headline, "it looks wrong");
}

}  // namespace
}  // namespace qsweep
