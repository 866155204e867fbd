#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/tensor/tensor.h"

namespace qsweep {

/// Mask value of pixels that count nowhere.
inline constexpr std::uint8_t kIgnoredPixel = 255;
/// Prediction of a pixel whose scores are not numbers: it is of its label's class and of no other.
inline constexpr std::uint16_t kNoPrediction = 0xFFFF;

/// Pixels of one image with this label and this prediction.
struct ConfusionEntry {
  std::uint16_t label = 0;
  std::uint16_t prediction = 0;
  std::uint32_t pixels = 0;
  friend bool operator==(const ConfusionEntry&, const ConfusionEntry&) = default;
};
/// One image's confusion: entries above zero, by label, then prediction. Exact.
using ImageConfusion = std::vector<ConfusionEntry>;

/// The class with the highest score at each pixel of a height x width map (lowest index among equal
/// ones, kNoPrediction where one is NaN). Scores of another size are interpolated bilinearly, pixel
/// centres aligned, before.
/// @param scores f32 row_major [N, C, h, w] @param image 0..N-1
[[nodiscard]] std::vector<std::uint16_t> predict_pixels(const Tensor& scores,
                                                        std::int64_t image,
                                                        std::int64_t height,
                                                        std::int64_t width);

/// @param labels of the same pixels; kIgnoredPixel is left out
[[nodiscard]] ImageConfusion count_pixels(std::span<const std::uint16_t> predictions,
                                          std::span<const std::uint8_t> labels);

/// Mean over pixels of KL(softmax(baseline) || softmax(scores)) of one image, in nats; of a regular
/// part of the pixels where there are more than 4,096. Infinity where scores are not finite.
[[nodiscard]] double pixel_divergence(const Tensor& scores,
                                      const Tensor& baseline,
                                      std::int64_t image);

/// Sums over all images. A class that occurs neither in labels nor in predictions has no figures
/// (NaN) and does not count in the means; one that is predicted but never labelled has IoU 0.
struct SegmentationSummary {
  std::int64_t images = 0;
  double miou = 0.0;            ///< mean over classes of intersection / union
  double dice = 0.0;            ///< mean over classes of 2 intersection / (labelled + predicted)
  double pixel_accuracy = 0.0;  ///< share of the labelled pixels that are right
  std::vector<double> class_iou, class_dice;
  std::vector<double> class_accuracy;      ///< of the pixels with this label; NaN without one
  std::vector<std::int64_t> class_pixels;  ///< by label
  std::vector<std::int64_t> confusion;     ///< [label * classes + prediction]
};
/// Figures are NaN when no pixel is labelled. Entries beyond `classes` are not allowed.
[[nodiscard]] SegmentationSummary summarize_segmentation(std::span<const ImageConfusion> images,
                                                         std::int64_t classes);

/// A figure and its standard error over images (jackknife: each image left out once).
struct SegmentationEstimate {
  double value = 0.0;
  double standard_error = 0.0;
};
[[nodiscard]] SegmentationEstimate estimate_miou(std::span<const ImageConfusion> images,
                                                 std::int64_t classes);
/// Mean IoU of the baseline minus the scheme's on the same images; positive = worse.
[[nodiscard]] SegmentationEstimate estimate_miou_drop(std::span<const ImageConfusion> baseline,
                                                      std::span<const ImageConfusion> scheme,
                                                      std::int64_t classes);

}  // namespace qsweep
