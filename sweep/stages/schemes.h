#pragma once

#include <memory>

#include "sweep/stages/evaluate_schemes.h"
#include "sweep/stages/stage.h"

namespace qsweep {

/// The float model on all evaluation images.
[[nodiscard]] std::unique_ptr<const Stage> make_baseline_stage(const Workload& workload,
                                                               Detail detail);
/// Uniform references, families, the search space and listed schemes, each assignment once, in this
/// order. Families need the ranking of the sensitivity stage, where the job has one.
[[nodiscard]] std::unique_ptr<const Stage> make_sweep_stage(const Workload& workload);
/// The first listed scheme alone, with predictions.
[[nodiscard]] std::unique_ptr<const Stage> make_listed_stage(const Workload& workload);

/// The scheme whose activations are kept beside the float ones: all layers at the first family's
/// `rest`, else at the first probed precision, else at the first that any scheme uses.
[[nodiscard]] Assignment reference_assignment(const Workload& workload);

}  // namespace qsweep
