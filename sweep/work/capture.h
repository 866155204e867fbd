#pragma once

#include "sweep/work/rank_state.h"
#include "sweep/work/tasks.h"

namespace qsweep {

/// Writes layer outputs of the first evaluation images, float and under the task's scheme, to a
/// part file of its own. @param number of the rank, for the file's name. @return the file's record
[[nodiscard]] Bytes capture(RankState& rank, int number, const CaptureTask& task);

}  // namespace qsweep
