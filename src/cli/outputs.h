#pragma once

#include <filesystem>
#include <vector>

#include "io/config/job.h"

namespace qsweep {

/// What a command will write. A folder is made where there is none.
struct Outputs {
  std::vector<std::filesystem::path> files, folders;
};

/// Finds out before any work what is wrong with outputs; to be called first on rank 0. The job's
/// calibration cache is one of them.
/// @param inputs what the command reads besides the job's model and data
/// @throws Error(usage) when an output is an input, through whatever links, or two are one file;
///         Error(io) where one could not be written
void check_outputs(Outputs outputs,
                   const JobConfig& job,
                   std::vector<std::filesystem::path> inputs = {});

}  // namespace qsweep
