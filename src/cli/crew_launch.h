#pragma once

#include <filesystem>
#include <functional>

#include "src/base/error.h"

#include "io/config/job.h"

#include "sweep/run/driver.h"

namespace qsweep {

/// How many ranks this process has where MPI does not start them: threads, each of them a rank. 0,
/// as at first: one for each core. @throws Error(usage) under MPI, where ranks are processes
void set_threads(int threads);

/// Runs `work` on rank 0 with the way to all ranks: MPI when started by mpirun or srun, else
/// threads of this process. The other ranks serve until rank 0 is done. Signals ask for a stop
/// through the flag.
/// @return what `work` returned; on other ranks kExitOk, or kExitEnvironment when rank 0 was lost
ExitCode with_ranks(const std::function<ExitCode(Session&)>& work);

/// Takes a job through the stages up to `last` and shows the outcome on rank 0.
/// @param out the run directory
ExitCode run_stage(const JobConfig& job,
                   const std::filesystem::path& out,
                   StageId last,
                   const std::function<void(const RunOutcome&)>& show);

}  // namespace qsweep
