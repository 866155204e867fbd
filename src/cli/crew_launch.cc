#include "src/cli/crew_launch.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "src/base/log.h"
#include "src/base/machine.h"

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

int& threads_wanted() {
  static int wanted = 0;
  return wanted;
}

/// A rank other than 0, until rank 0 needs it no more.
Parting serve_to_the_end(Transport& transport, WorkloadShelf& shelf) {
  Parting parting = Parting::released;
  while (parting == Parting::released) parting = serve_job(transport, shelf);
  return parting;
}

using Work = std::function<ExitCode(Session&)>;

ExitCode with_threads(const Work& work) {
  const int wanted = threads_wanted();
  const auto transports =
      make_thread_transports(wanted > 0 ? wanted : std::max(1, this_machine().logical_cores));
  WorkloadShelf shelf;
  std::vector<std::jthread> ranks;
  const Dismissal at_the_end(*transports.front());  // before `ranks` waits for them
  try {
    for (std::size_t r = 1; r < transports.size(); ++r) {
      ranks.emplace_back([&shelf, &transport = *transports[r]] {
        try {
          (void)serve_to_the_end(transport, shelf);
        } catch (const std::exception& e) {  // to rank 0 a rank that has fallen silent
          log_warning(fmt::format("rank {} ends: {}", transport.rank(), e.what()));
        }
      });
    }
  } catch (const std::system_error& e) {
    throw Error(ErrorCode::resource,
                fmt::format("cannot start {} threads: {}", transports.size(), e.what()), {},
                "Ask for fewer: --threads N");
  }
  Session session{*transports.front(), stop_on_signals(), shelf};
  return work(session);
}

}  // namespace

void set_threads(int threads) {
  if (threads > 0 && MpiSession::launched_by_mpi())
    throw Error(ErrorCode::usage, "--threads is for runs without MPI, whose ranks are processes",
                {}, "Start more ranks: mpirun -n N");
  threads_wanted() = threads;
}

ExitCode with_ranks(const Work& work) {
  if (!MpiSession::launched_by_mpi()) return with_threads(work);
  MpiSession mpi;
  Transport& transport = mpi.transport();
  WorkloadShelf shelf;
  if (transport.rank() != 0) {
    ignore_stop_signals();
    if (serve_to_the_end(transport, shelf) == Parting::dismissed) return kExitOk;
    mpi.abandon();
    return kExitEnvironment;
  }
  const Dismissal at_the_end(transport);
  Session session{transport, stop_on_signals(), shelf};
  return work(session);
}

ExitCode run_stage(const JobConfig& job,
                   const std::filesystem::path& out,
                   StageId last,
                   const std::function<void(const RunOutcome&)>& show) {
  return with_ranks([&](Session& session) {
    ProgressLine progress;
    const RunOutcome outcome = run_job(job, {.directory = out, .last = last}, session, progress);
    show(outcome);
    return outcome.failed > 0 ? kExitPartial : kExitOk;
  });
}

}  // namespace qsweep
