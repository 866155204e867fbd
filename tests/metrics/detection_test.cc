#include "src/metrics/detection.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "src/base/random.h"

namespace qsweep {
namespace {

/// One case of detection_cases.txt, which make_detection_cases.py made with pycocotools.
struct Case {
  std::string name;
  std::vector<std::int64_t> images;
  std::vector<std::int32_t> categories;
  std::vector<TruthBox> truths;
  std::vector<Detection> detections;
  std::vector<double> expected;
  std::vector<double> class_ap;
};

std::vector<Case> read_cases() {
  std::ifstream in(std::string(std::getenv("QSWEEP_SOURCE_DIR")) +
                   "/tests/metrics/detection_cases.txt");
  std::vector<Case> cases;
  std::string line, kind;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    words >> kind;
    if (kind == "case") {
      Case& c = cases.emplace_back();
      std::size_t images = 0, categories = 0;
      words >> c.name >> images >> categories;
      c.images.resize(images);
      c.categories.resize(categories);
      std::iota(c.images.begin(), c.images.end(), 1);
      std::iota(c.categories.begin(), c.categories.end(), 1);
    } else if (kind == "truth") {
      TruthBox& t = cases.back().truths.emplace_back();
      words >> t.image >> t.category >> t.box.x >> t.box.y >> t.box.width >> t.box.height >>
          t.area >> t.crowd;
    } else if (kind == "found") {
      Detection& d = cases.back().detections.emplace_back();
      words >> d.image >> d.category >> d.score >> d.box.x >> d.box.y >> d.box.width >>
          d.box.height;
    } else if (kind == "expect") {
      for (double value = 0; words >> value;) cases.back().expected.push_back(value);
    } else {
      double category = 0, ap = 0;
      words >> category >> ap;
      cases.back().class_ap.push_back(ap);
    }
  }
  return cases;
}

void expect_figure(double found, double expected, const std::string& what) {
  if (expected < 0)
    EXPECT_TRUE(std::isnan(found)) << what << " is " << found;
  else
    EXPECT_NEAR(found, expected, 1e-9) << what;
}

TEST(DetectionTest, figures_are_those_of_pycocotools) {
  const std::vector<Case> cases = read_cases();
  ASSERT_GE(cases.size(), 6u);
  for (const Case& c : cases) {
    const DetectionSummary s = summarize_detections(c.images, c.categories, c.truths, c.detections);
    const double found[] = {s.map, s.map50, s.map75, s.map_small, s.map_medium, s.map_large,
                            s.ar1, s.ar10,  s.ar100, s.ar_small,  s.ar_medium,  s.ar_large};
    ASSERT_EQ(c.expected.size(), std::size(found));
    for (std::size_t i = 0; i < std::size(found); ++i)
      expect_figure(found[i], c.expected[i], c.name + ", figure " + std::to_string(i));
    ASSERT_EQ(s.categories.size(), c.class_ap.size());
    for (std::size_t i = 0; i < c.class_ap.size(); ++i)
      expect_figure(s.categories[i].ap, c.class_ap[i], c.name + ", class " + std::to_string(i + 1));
  }
}

TEST(DetectionTest, what_is_not_evaluated_does_not_count) {
  const std::vector<Case> cases = read_cases();
  const Case& c = cases.at(0);
  std::vector<Detection> more = c.detections;
  std::vector<TruthBox> truths = c.truths;
  more.push_back({.image = 999, .category = 1, .score = 1.0f, .box = {0, 0, 9, 9}});
  more.push_back({.image = 1, .category = 999, .score = 1.0f, .box = {0, 0, 9, 9}});
  truths.push_back({.image = 999, .category = 1, .box = {0, 0, 9, 9}, .area = 81, .crowd = false});
  EXPECT_EQ(summarize_detections(c.images, c.categories, truths, more).map,
            summarize_detections(c.images, c.categories, c.truths, c.detections).map);
}

TEST(DetectionTest, operating_point_counts_visible_detections) {
  const std::vector<std::int64_t> images = {1};
  const std::vector<std::int32_t> categories = {1};
  const std::vector<TruthBox> truths = {
      {.image = 1, .category = 1, .box = {0, 0, 10, 10}, .area = 100, .crowd = false},
      {.image = 1, .category = 1, .box = {50, 50, 10, 10}, .area = 100, .crowd = false}};
  const std::vector<Detection> found = {
      {.image = 1, .category = 1, .score = 0.9f, .box = {0, 0, 10, 10}},
      {.image = 1, .category = 1, .score = 0.8f, .box = {80, 80, 10, 10}},
      {.image = 1, .category = 1, .score = 0.1f, .box = {50, 50, 10, 10}}};
  const DetectionSummary s = summarize_detections(images, categories, truths, found, 0.25);
  EXPECT_DOUBLE_EQ(s.precision, 0.5);
  EXPECT_DOUBLE_EQ(s.recall, 0.5);
  EXPECT_DOUBLE_EQ(s.f1, 0.5);
  EXPECT_EQ(s.categories[0].truths, 2);
}

TEST(BoxIouTest, boxes_and_crowds) {
  EXPECT_DOUBLE_EQ(box_iou({0, 0, 10, 10}, {5, 0, 10, 10}, false), 50.0 / 150.0);
  EXPECT_DOUBLE_EQ(box_iou({0, 0, 10, 10}, {5, 0, 10, 10}, true), 0.5);
  EXPECT_DOUBLE_EQ(box_iou({0, 0, 10, 10}, {10, 0, 10, 10}, false), 0.0);
}

/// COCO's mAP of a set in which every drawn picture stands for itself: copies get an id of their
/// own.
double map_of_copies(const Case& c, const std::vector<std::int64_t>& drawn) {
  std::vector<std::int64_t> images;
  std::vector<TruthBox> truths;
  std::vector<Detection> detections;
  for (const std::int64_t source : drawn) {
    // Copies stay beside each other, so that equal scores keep their order.
    const auto copy = static_cast<std::int64_t>(images.size());
    images.push_back(copy);
    for (TruthBox t : c.truths) {
      if (t.image != source) continue;
      t.image = copy;
      truths.push_back(t);
    }
    for (Detection d : c.detections) {
      if (d.image != source) continue;
      d.image = copy;
      detections.push_back(d);
    }
  }
  return summarize_detections(images, c.categories, truths, detections).map;
}

TEST(ResampleMapTest, weighing_pictures_is_copying_them) {
  constexpr std::uint64_t kSeed = 3;
  constexpr int kResamples = 20;
  for (const Case& c : read_cases()) {
    // Among equal scores copies would come one after the other, and weights count them at once.
    if (c.name != "plain" && c.name != "crowds") continue;
    SCOPED_TRACE(c.name);
    const std::vector<double> maps =
        resample_map(c.images, c.categories, c.truths, c.detections, kResamples, kSeed);
    ASSERT_EQ(maps.size(), static_cast<std::size_t>(kResamples));
    std::vector<std::int64_t> sorted = c.images;
    std::sort(sorted.begin(), sorted.end());
    for (int r = 0; r < kResamples; ++r) {
      Random random(kSeed, static_cast<std::uint64_t>(r));
      std::vector<std::int64_t> drawn;
      for (std::size_t i = 0; i < sorted.size(); ++i)
        drawn.push_back(sorted[random.below(sorted.size())]);
      std::sort(drawn.begin(), drawn.end());
      const double expected = map_of_copies(c, drawn);
      EXPECT_NEAR(maps[static_cast<std::size_t>(r)], std::isnan(expected) ? 0.0 : expected, 1e-9);
    }
  }
}

TEST(DetectionAgreementTest, counts_pairs_of_what_both_report) {
  const std::vector<Detection> a = {{1, 0, 0.9f, {0, 0, 10, 10}}, {1, 1, 0.8f, {0, 0, 10, 10}}};
  EXPECT_EQ(detection_agreement(a, a), 1.0);
  EXPECT_EQ(detection_agreement({}, {}), 1.0);
  EXPECT_EQ(detection_agreement(a, {}), 0.0);
  const std::vector<Detection> b = {{1, 0, 0.3f, {1, 0, 10, 10}},
                                    {1, 1, 0.2f, {0, 0, 10, 10}},  // below what a user sees
                                    {2, 1, 0.9f, {0, 0, 10, 10}}};
  EXPECT_EQ(detection_agreement(a, b), 0.5);
}

}  // namespace
}  // namespace qsweep
