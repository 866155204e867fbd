#pragma once

#include <cstdint>
#include <vector>

#include "src/metrics/detection.h"
#include "src/metrics/heads/head.h"

namespace qsweep {

/// Where a picture lies in the model's input.
struct Frame {
  std::int64_t width = 0, height = 0;   ///< of the picture
  double scale_x = 1.0, scale_y = 1.0;  ///< input pixels per picture pixel
  double left = 0.0, top = 0.0;         ///< of the picture, in input pixels
};

/// Takes out the boxes that have no place or no score: a coordinate or a score that is NaN or
/// infinite. @return how many
std::int64_t drop_nonfinite(Candidates& candidates);

/// What a detector reports of one picture: boxes brought to the picture and cut to it, those with a
/// class score above `spec.confidence`, greedily suppressed within each class (best first; a box
/// that overlaps a kept one by more than `spec.nms_iou` goes), the best `spec.max_detections`,
/// by falling score. `Detection::image` is 0.
[[nodiscard]] std::vector<Detection> select_detections(const Candidates& candidates,
                                                       const HeadSpec& spec,
                                                       bool suppress,
                                                       const Frame& frame);

/// How far the scores are from the float model's, in nats: the divergence KL(float || this) of two
/// coin throws, summed over classes, mean over boxes. Probabilities are taken as 1e-4 to 1 - 1e-4:
/// what is less likely is not reported anyway, and neither is NaN. The boxes' places are not looked
/// at.
[[nodiscard]] double score_divergence(const Candidates& baseline, const Candidates& candidates);

}  // namespace qsweep
