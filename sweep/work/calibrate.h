#pragma once

#include "sweep/work/rank_state.h"
#include "sweep/work/tasks.h"

namespace qsweep {

/// Statistics of the values that OpenModel::calibrated() lists over some calibration images, or the
/// layers' inputs themselves (CalibrationPass); a pass for histograms counts within the ranges that
/// the rank was told.
/// @return a record: ranges or inputs
/// @throws Error(numeric) naming the tensor and the first image whose values are not finite
[[nodiscard]] Bytes calibrate(RankState& rank, const CalibrateTask& task);

}  // namespace qsweep
