#pragma once

#include <vector>

#include "src/quant/observer.h"

#include "sweep/run/crew.h"

namespace qsweep {

/// Statistics of every layer's input over the calibration images, by layer: a pass for the ranges,
/// one for histograms within them. Chunks already in the records are not computed again. The ranks
/// know the statistics afterwards. @throws Stopped; Error(config) when the job has no calibration
/// data.
[[nodiscard]] std::vector<TensorStats> calibrate_layers(Crew& crew);

/// The same statistics from the records alone; empty when a chunk is missing.
[[nodiscard]] std::vector<TensorStats> recorded_stats(const Workload& workload,
                                                      const RecordStore& records);

/// True when a precision of the job needs activation ranges.
[[nodiscard]] bool needs_calibration(const Workload& workload);

}  // namespace qsweep
