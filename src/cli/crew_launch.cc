#include "src/cli/crew_launch.h"

#include <cstdio>

#include "src/cli/progress_line.h"
#include "src/cli/signals.h"

#include "ranks/mpi/mpi_transport.h"

namespace qsweep {

ExitCode with_ranks(const std::function<ExitCode(Transport&, const std::atomic<bool>& stop)>& work,
                    std::size_t coordinators) {
  if (!MpiSession::launched_by_mpi())
    return work(*make_thread_transports(1).front(), stop_on_signals());
  MpiSession session;
  Transport& transport = session.transport();
  if (transport.rank() != 0) {
    ignore_stop_signals();
    bool released = true;
    for (std::size_t i = 0; i < coordinators && released; ++i) released = serve_job(transport);
    if (!released) session.abandon();
    return released ? kExitOk : kExitEnvironment;
  }
  return work(transport, stop_on_signals());
}

ExitCode run_stage(const JobOptions& options,
                   Stage last,
                   const std::function<void(const RunOutcome&)>& show) {
  const JobConfig job = load_job(options);
  return with_ranks([&](Transport& transport, const std::atomic<bool>& stop) {
    ProgressLine progress;
    const RunOutcome outcome =
        run_job(job, {.directory = options.out, .last = last}, transport, progress, stop);
    show(outcome);
    return outcome.failed > 0 ? kExitPartial : kExitOk;
  });
}

}  // namespace qsweep
