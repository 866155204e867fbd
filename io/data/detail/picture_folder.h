#pragma once

#include <filesystem>
#include <vector>

namespace qsweep {

/// The .jpg, .jpeg and .png files (in any case) directly in a folder, sorted by name.
/// @throws Error(not_found) or Error(io) naming the folder
[[nodiscard]] std::vector<std::filesystem::path> picture_files(const std::filesystem::path& folder);
/// The folders directly in a folder, sorted by name; hidden ones are passed over.
[[nodiscard]] std::vector<std::filesystem::path> subfolders(const std::filesystem::path& folder);

}  // namespace qsweep
