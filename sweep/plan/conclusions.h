#pragma once

#include "src/results/conclusions.h"
#include "src/results/results.h"

namespace qsweep {

/// decide() and explain_losses(): what every report of a run says beside its figures. Pure.
[[nodiscard]] Conclusions conclude(const RunResults& results);

}  // namespace qsweep
