#pragma once

#include <filesystem>
#include <vector>

namespace qsweep {

/// The files that import_onnx() reads: the model, then those of its external data. Where the model
/// cannot be read, itself alone: import_onnx() says why.
[[nodiscard]] std::vector<std::filesystem::path> model_files(const std::filesystem::path& path);

}  // namespace qsweep
