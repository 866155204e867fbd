#pragma once

#include <cstdint>
#include <filesystem>

#include "sweep/job/workload.h"

namespace qsweep {

/// Writes every evaluated picture that has detections of at least `least_score` as
/// DIRECTORY/<stem>.png, a frame around each, one colour per class. @throws Error(config) unless
/// the task is detection, Error(io) when it cannot write.
/// @return pictures written
std::int64_t save_annotated(const Workload& workload,
                            const Verdict& verdict,
                            const std::filesystem::path& directory,
                            double least_score = 0.25);

}  // namespace qsweep
