#pragma once

#include <filesystem>
#include <span>

namespace qsweep {

/// Both names lead to one file, through whatever links.
[[nodiscard]] bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

/// Refuses to write over what is read. Inputs that are not there are left to whoever reads them.
/// @throws Error(usage) naming the output
void check_not_input(const std::filesystem::path& output,
                     std::span<const std::filesystem::path> inputs);

}  // namespace qsweep
