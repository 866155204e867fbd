#pragma once

#include "sweep/work/rank_state.h"
#include "sweep/work/tasks.h"

namespace qsweep {

/// Finds what the job's weight algorithm does to one layer at one precision. @return its record
[[nodiscard]] Bytes adapt(RankState& rank, const AdaptTask& task);

}  // namespace qsweep
