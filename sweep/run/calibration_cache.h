#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "src/quant/observer.h"

#include "sweep/run/workload.h"

namespace qsweep {

/// What calibration statistics depend on, one `name value` a line: model, images, preprocessing,
/// batch and engine. Calibrators are not among it: every one starts from the same statistics.
[[nodiscard]] std::string calibration_key(const Workload& workload);

/// Statistics that an earlier run left in a file (layout: io/FORMATS.md). Nothing when there is no
/// such file, or it is damaged, or belongs to another key; the last two are warned about, naming
/// what differs. Never throws for what a file holds.
[[nodiscard]] std::optional<std::vector<TensorStats>> read_calibration_cache(
    const std::filesystem::path& path, const std::string& key, std::size_t layers);

/// Replaces the file atomically. @throws Error(io)
void write_calibration_cache(const std::filesystem::path& path,
                             const std::string& key,
                             const std::vector<TensorStats>& by_layer);

}  // namespace qsweep
