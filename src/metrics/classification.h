#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/tensor/tensor.h"

#include "src/metrics/statistics.h"

namespace qsweep {

/// What one image's class scores say. Scores that are not finite count as wrong: top1 = -1, kl =
/// infinity.
struct ImageOutcome {
  std::int32_t top1 = -1;  ///< lowest index among equal maxima, as numpy argmax
  bool in_top5 = false;    ///< label among the five highest (ties by lower index)
  float margin = 0.0f;     ///< highest minus second highest score
  float kl = 0.0f;  ///< KL(float model || this), nats, of the softmax distributions, in double
  friend bool operator==(const ImageOutcome&, const ImageOutcome&) = default;
};

/// Scores one batch. `scores` f32 [N, C], C > 0; `baseline` the float model's scores of the same
/// images, or empty (kl = 0); where those are not finite, kl is infinity too. When
/// `are_probabilities`, rows are distributions already (taken as at least 1e-30), else logits. A
/// label outside 0..C-1 is never right.
[[nodiscard]] std::vector<ImageOutcome> score_classification(const Tensor& scores,
                                                             const Tensor& baseline,
                                                             std::span<const std::int64_t> labels,
                                                             bool are_probabilities);

/// Counts over a set of images; exact integers.
struct ClassificationSummary {
  std::int64_t images = 0;
  std::int64_t top1_correct = 0;
  std::int64_t top5_correct = 0;
  double mean_kl = 0.0;  ///< mean in sample order
  double mean_margin = 0.0;
  std::vector<std::int64_t> class_images;  ///< by label
  std::vector<std::int64_t> class_correct;
  std::vector<std::int64_t> confusion;  ///< [label * classes + prediction]
  [[nodiscard]] double top1() const { return images ? double(top1_correct) / double(images) : 0.0; }
  [[nodiscard]] double top5() const { return images ? double(top5_correct) / double(images) : 0.0; }
};
[[nodiscard]] ClassificationSummary summarize(std::span<const ImageOutcome> outcomes,
                                              std::span<const std::int64_t> labels,
                                              std::int64_t classes);

/// A scheme against the baseline on the same images.
struct PairedComparison {
  std::int64_t images = 0;
  std::int64_t only_baseline_correct = 0;
  std::int64_t only_scheme_correct = 0;
  std::int64_t agreeing = 0;  ///< same prediction
  double drop = 0.0;          ///< baseline top-1 minus scheme top-1; positive = worse
  double standard_error = 0.0;
  Interval interval;     ///< of drop
  double p_value = 1.0;  ///< exact McNemar
};
[[nodiscard]] PairedComparison compare(std::span<const ImageOutcome> baseline,
                                       std::span<const ImageOutcome> scheme,
                                       std::span<const std::int64_t> labels,
                                       double confidence);

}  // namespace qsweep
