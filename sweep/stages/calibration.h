#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sweep/stages/stage.h"

namespace qsweep {

/// Extremes of every layer's input, then histograms within them, over the calibration images.
/// Chunks already in the records, and statistics in the job's calibration cache, are not computed
/// again. The ranks know ranges and statistics afterwards.
/// @throws Error(config) when the job has no calibration data
[[nodiscard]] std::unique_ptr<const Stage> make_ranges_stage(const Workload& workload);
[[nodiscard]] std::unique_ptr<const Stage> make_histograms_stage(const Workload& workload);

/// What the user should know about the calibration data: too few or many images (R052), images
/// unlike the evaluation images (R064). Sentences.
[[nodiscard]] std::vector<std::string> calibration_warnings(const Workload& workload);

/// @throws Error(config) naming every tensor that no image reached. @param by_layer of `tensors`
void check_calibrated(const std::vector<std::string>& tensors,
                      const std::vector<TensorStats>& by_layer);

}  // namespace qsweep
