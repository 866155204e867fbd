#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/results/results.h"

#include "sweep/stages/progress.h"

namespace qsweep {

/// What a kit holds, for people.
struct LatencyKit {
  std::filesystem::path folder;
  std::int64_t models = 0, images = 0;
  std::vector<std::string> left_out{};  ///< sentences: schemes that cannot be written as a file
};

/// Schemes of a run that are worth a file on the device: the float model and every precision alone,
/// the front, what the decision names, then others by rising cost, up to `most` files.
[[nodiscard]] std::vector<std::vector<std::uint8_t>> kit_schemes(const RunResults& results,
                                                                 std::size_t precisions,
                                                                 std::size_t most);

/// Writes a folder that measures a run's schemes on another machine (io/kit): their files, some
/// evaluation images, the answers that qsweep predicts, and scripts. Evaluates only those images.
/// @throws Error(io), Error(config) as load_results()
[[nodiscard]] LatencyKit write_latency_kit(const std::filesystem::path& directory,
                                           const std::filesystem::path& folder,
                                           Progress& progress);

/// Runs the kit's measure.py with this Python and returns the file that it wrote.
/// @throws Error(resource) with what it said when it fails: no such program, no onnxruntime
[[nodiscard]] std::filesystem::path measure_kit(const std::filesystem::path& folder,
                                                const std::string& python);

}  // namespace qsweep
