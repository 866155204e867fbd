#pragma once

#include "src/exec/bank.h"

#include "sweep/run/crew.h"

namespace qsweep {

/// Adapts every layer to every precision that the job's weight algorithm applies to: gathers the
/// layers' inputs over the calibration images, then finds each (layer, precision) in a task of its
/// own. The ranks know the ranges before and the adaptations afterwards. What is in the records is
/// not computed again. @throws Stopped
void adapt_layers(Crew& crew);

/// The same adaptations from the records alone; empty when the job has none. Those that are missing
/// adapt nothing.
[[nodiscard]] Adaptations recorded_adaptations(const Workload& workload,
                                               const RecordStore& records);

/// By precision: how many factors the layer's input is multiplied by; empty without adaptations.
[[nodiscard]] std::vector<std::int64_t> input_factors(const Adaptations& adaptations, int layer);

/// @throws Error(config) naming a precision of this assignment whose adaptation is not in the
/// records.
void check_adapted(const Workload& workload,
                   const RecordStore& records,
                   const Assignment& assignment);

}  // namespace qsweep
