#pragma once

#include <vector>

#include "src/results/results.h"

namespace qsweep {

/// What makes a run's figures doubtful before any of them is compared, from the float model's own
/// results and the data's remarks:
/// - NaN or infinity in the float model's outputs;
/// - a classifier that gives one class for all images, or whose top-1 is near chance (1 / classes):
///   at most 2.5 times chance and at most a fifth of the way from chance to 100 %;
/// - fewer classes in the labels than the model scores, where the labels cannot have missed the
///   others by chance and top-1 does not show that they fit;
/// - mAP below 1 % where objects are annotated;
/// - a mean IoU that predicting the most frequent class alone would give;
/// - pictures left out, and what else the data says.
/// A scheme that collapses is a result, not an alarm. Nothing without an evaluated baseline.
/// Pure.
[[nodiscard]] std::vector<RunResults::Alarm> find_alarms(const RunResults& results);

}  // namespace qsweep
