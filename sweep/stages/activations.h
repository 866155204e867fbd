#pragma once

#include <filesystem>
#include <memory>

#include "sweep/stages/stage.h"

namespace qsweep {

/// Raw layer outputs of the job's sampled images, float and under reference_assignment(), in part
/// files under `directory` (one writer each). Parts already recorded and still there are not
/// computed again.
[[nodiscard]] std::unique_ptr<const Stage> make_activations_stage(
    const Workload& workload, const std::filesystem::path& directory);

}  // namespace qsweep
