#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "src/results/conclusions.h"

namespace qsweep::report {

/// A file of the run directory, by path relative to it.
struct Artifact {
  std::string path;
  std::uint64_t bytes = 0;
  std::string sha256;
};

/// manifest.json: what was measured on what, the recommended scheme's formats layer by layer (R238,
/// rank 1 = most sensitive), the environment, and the files with their digests.
[[nodiscard]] std::string manifest_json(const RunResults& results,
                                        const Conclusions& conclusions,
                                        std::span<const Artifact> artifacts);

}  // namespace qsweep::report
