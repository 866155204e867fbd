#include "src/metrics/segmentation.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

/// What NumPy says of one set of images (make_segmentation_cases.py).
struct Case {
  std::string name;
  std::int64_t classes = 0;
  std::vector<ImageConfusion> images;
  std::vector<double> confusion, expect, iou, error;
};

std::vector<double> numbers(std::istream& in) {
  std::vector<double> values;
  std::string word;
  while (in >> word) values.push_back(std::strtod(word.c_str(), nullptr));
  return values;
}

std::vector<Case> read_cases() {
  std::ifstream file(std::string(std::getenv("QSWEEP_SOURCE_DIR")) +
                     "/tests/metrics/segmentation_cases.txt");
  std::vector<Case> cases;
  std::string line, word;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    in >> word;
    if (word == "case") {
      Case& c = cases.emplace_back();
      in >> c.name >> c.classes;
    } else if (word == "image") {
      std::vector<std::uint8_t> labels;
      std::vector<std::uint16_t> predictions;
      while (in >> word && word != "/")
        labels.push_back(static_cast<std::uint8_t>(std::stoi(word)));
      while (in >> word) predictions.push_back(static_cast<std::uint16_t>(std::stoi(word)));
      cases.back().images.push_back(count_pixels(predictions, labels));
    } else {
      Case& c = cases.back();
      (word == "confusion" ? c.confusion
       : word == "expect"  ? c.expect
       : word == "iou"     ? c.iou
                           : c.error) = numbers(in);
    }
  }
  return cases;
}

TEST(SegmentationTest, figures_are_those_of_numpy) {
  const std::vector<Case> cases = read_cases();
  ASSERT_EQ(cases.size(), 3u);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const SegmentationSummary s = summarize_segmentation(c.images, c.classes);
    EXPECT_EQ(s.images, static_cast<std::int64_t>(c.images.size()));
    EXPECT_EQ(std::vector<double>(s.confusion.begin(), s.confusion.end()), c.confusion);
    EXPECT_NEAR(s.miou, c.expect.at(0), 1e-15);
    EXPECT_NEAR(s.dice, c.expect.at(1), 1e-15);
    EXPECT_NEAR(s.pixel_accuracy, c.expect.at(2), 1e-15);
    ASSERT_EQ(s.class_iou.size(), c.iou.size());
    for (std::size_t i = 0; i < c.iou.size(); ++i) {
      if (std::isnan(c.iou[i]))
        EXPECT_TRUE(std::isnan(s.class_iou[i]));
      else
        EXPECT_NEAR(s.class_iou[i], c.iou[i], 1e-15);
    }
    const SegmentationEstimate estimate = estimate_miou(c.images, c.classes);
    EXPECT_EQ(estimate.value, s.miou);
    EXPECT_NEAR(estimate.standard_error, c.error.at(0), 1e-12);
    const SegmentationEstimate none = estimate_miou_drop(c.images, c.images, c.classes);
    EXPECT_EQ(none.value, 0.0);
    EXPECT_EQ(none.standard_error, 0.0);
  }
}

TEST(SegmentationTest, no_labelled_pixel_gives_no_figure) {
  const std::vector<ImageConfusion> images = {
      count_pixels(std::vector<std::uint16_t>{0, 1}, std::vector<std::uint8_t>{255, 255})};
  EXPECT_TRUE(images[0].empty());
  const SegmentationSummary s = summarize_segmentation(images, 2);
  EXPECT_TRUE(std::isnan(s.miou));
  EXPECT_TRUE(std::isnan(s.pixel_accuracy));
}

TEST(SegmentationTest, scores_that_are_no_numbers_are_wrong) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor scores =
      Tensor::of<float>(DType::f32, {1, 2, 1, 3}, std::vector<float>{1, 5, nan, 2, 5, 9});
  const auto predictions = predict_pixels(scores, 0, 1, 3);
  EXPECT_EQ(predictions, (std::vector<std::uint16_t>{1, 0, kNoPrediction}));
  const std::vector<ImageConfusion> images = {
      count_pixels(predictions, std::vector<std::uint8_t>{1, 0, 1})};
  const SegmentationSummary s = summarize_segmentation(images, 2);
  EXPECT_DOUBLE_EQ(s.pixel_accuracy, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(s.class_iou[1], 0.5);
  EXPECT_TRUE(std::isinf(pixel_divergence(scores, scores, 0)));
}

TEST(SegmentationTest, coarse_scores_are_interpolated_at_pixel_centres) {
  // Class 1 leads by 4, 0, -4 at the centres 0.5, 1.5, 2.5 of three columns; on six columns its
  // lead is 4, 3, 1, -1, -3, -4.
  const Tensor scores =
      Tensor::of<float>(DType::f32, {1, 2, 1, 3}, std::vector<float>{0, 0, 0, 4, 0, -4});
  EXPECT_EQ(predict_pixels(scores, 0, 2, 6),
            (std::vector<std::uint16_t>{1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0}));
}

TEST(SegmentationTest, divergence_is_the_mean_over_pixels) {
  const auto two = [](float a, float b) {
    return Tensor::of<float>(DType::f32, {1, 2, 1, 2}, std::vector<float>{a, 0, 0, b});
  };
  // Pixel 0: logits (log 3, 0) against (0, 0); pixel 1 is the same in both.
  const double kl = 0.75 * std::log(0.75 / 0.5) + 0.25 * std::log(0.25 / 0.5);
  EXPECT_NEAR(pixel_divergence(two(0.0f, 1.0f), two(std::log(3.0f), 1.0f), 0), kl / 2, 1e-7);
}

}  // namespace
}  // namespace qsweep
