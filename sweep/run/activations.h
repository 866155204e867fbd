#pragma once

#include <filesystem>
#include <vector>

#include "sweep/run/crew.h"

namespace qsweep {

/// Keeps raw layer outputs of the job's sampled images, float and under `reference`, in part files
/// under `directory` (one writer each). Parts already recorded and still there are not computed
/// again.
/// @return the part files, in layer order
[[nodiscard]] std::vector<std::filesystem::path> capture_activations(
    Crew& crew, const Assignment& reference, const std::filesystem::path& directory);

}  // namespace qsweep
