#pragma once

#include <memory>
#include <vector>

#include "sweep/stages/stage.h"

namespace qsweep {

/// The inputs of the layers that the weight algorithm adapts, gathered over the calibration images
/// while an adaptation is missing; kept in memory only.
[[nodiscard]] std::unique_ptr<const Stage> make_inputs_stage(const Workload& workload);
/// Every layer adapted to every precision that the weight algorithm applies to, each in a task of
/// its own. The ranks know the adaptations afterwards.
[[nodiscard]] std::unique_ptr<const Stage> make_adaptation_stage(const Workload& workload);

/// By precision: how many factors the layer's input is multiplied by; empty without adaptations.
[[nodiscard]] std::vector<std::int64_t> input_factors(const Adaptations& adaptations,
                                                      LayerId layer);

/// @throws Error(config) naming a precision of this assignment whose adaptation is not in the
/// records.
void check_adapted(const Workload& workload,
                   const RecordStore& records,
                   const Assignment& assignment);

}  // namespace qsweep
