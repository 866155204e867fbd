#pragma once

#include <vector>

#include "src/quant/observer.h"

#include "sweep/run/crew.h"

namespace qsweep {

/// Statistics of every layer's input over the calibration images, by layer: a pass for the ranges,
/// one for histograms within them. Chunks already in the records, and
/// statistics in the job's calibration cache, are not computed again. The ranks
/// know the statistics afterwards. @throws Stopped; Error(config) when the job has no calibration
/// data.
[[nodiscard]] std::vector<TensorStats> calibrate_layers(Crew& crew);

/// What the user should know about the calibration data: too few or many images (R052), images
/// unlike the evaluation images (R064). Sentences.
[[nodiscard]] std::vector<std::string> calibration_warnings(const Workload& workload);

/// @throws Error(config) naming every tensor that no image reached. @param by_layer of `tensors`
void check_calibrated(const std::vector<std::string>& tensors,
                      const std::vector<TensorStats>& by_layer);

/// The same statistics from the records alone; empty when a chunk is missing.
[[nodiscard]] std::vector<TensorStats> recorded_stats(const Workload& workload,
                                                      const RecordStore& records);

/// True when a precision of the job needs activation ranges, or the weight algorithm the inputs.
[[nodiscard]] bool needs_calibration(const Workload& workload);

}  // namespace qsweep
