#include "src/cli/crew_launch.h"

#include <cstdio>

#include "src/cli/progress_line.h"
#include "src/cli/signals.h"

#include "ranks/mpi/mpi_transport.h"

namespace qsweep {

namespace {

/// Lets the other ranks go, also when the work ends in an error before they have heard of it.
class Dismissal {
 public:
  explicit Dismissal(Transport& transport) : transport_(transport) {}
  ~Dismissal() { dismiss(transport_); }
  Dismissal(const Dismissal&) = delete;
  Dismissal& operator=(const Dismissal&) = delete;

 private:
  Transport& transport_;
};

}  // namespace

ExitCode with_ranks(
    const std::function<ExitCode(Transport&, const std::atomic<bool>& stop)>& work) {
  if (!MpiSession::launched_by_mpi())
    return work(*make_thread_transports(1).front(), stop_on_signals());
  MpiSession session;
  Transport& transport = session.transport();
  if (transport.rank() != 0) {
    ignore_stop_signals();
    Parting parting = Parting::released;
    while (parting == Parting::released) parting = serve_job(transport);
    if (parting == Parting::dismissed) return kExitOk;
    session.abandon();
    return kExitEnvironment;
  }
  const Dismissal at_the_end(transport);
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
