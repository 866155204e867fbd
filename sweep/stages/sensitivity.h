#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sweep/stages/stage.h"

namespace qsweep {

/// The single-layer runs of a job, and their base where it is not the float model.
[[nodiscard]] std::unique_ptr<const Stage> make_sensitivity_stage(const Workload& workload);

}  // namespace qsweep
