#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "src/quant/observer.h"

#include "sweep/job/identity.h"

namespace qsweep {

/// Statistics that an earlier run left in a file (layout: io/FORMATS.md). Nothing when there is no
/// such file, or it is damaged, or was made for another identity (IdentityUse::statistics); the
/// last two are warned about, naming what differs. Never throws for what a file holds. Calibrators
/// are no part of that identity: every one starts from the same statistics.
[[nodiscard]] std::optional<std::vector<TensorStats>> read_calibration_cache(
    const std::filesystem::path& path, const Identity& identity, std::size_t layers);

/// Replaces the file atomically. @throws Error(io)
void write_calibration_cache(const std::filesystem::path& path,
                             const Identity& identity,
                             const std::vector<TensorStats>& by_layer);

}  // namespace qsweep
