#include "src/cli/crew_launch.h"

#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "src/base/allowance.h"
#include "src/base/log.h"

#include "src/cli/outputs.h"
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

/// How many threads a run takes where nobody says.
int default_threads() {
  const Allowance allowance = this_allowance();
  const int ranks = ranks_within(allowance);
  if (ranks < allowance.cores) {
    log_warning(fmt::format("memory is left for {} of {} ranks; --threads N takes N", ranks,
                            allowance.cores));
  }
  return ranks;
}

/// What ended a rank that is a thread of this process. Nothing but a shortage of memory or threads
/// does, and that is no reason to go on without the rank, as after the loss of a node.
class RankFailure {
 public:
  void set(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!first_) first_ = std::move(failure);
  }
  void rethrow() {
    const std::lock_guard lock(mutex_);
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr first_;
};

/// Rank 0's transport, which hears of a failed rank at once instead of by its silence.
class AlertTransport final : public Transport {
 public:
  AlertTransport(Transport& inner, RankFailure& failure) : inner_(inner), failure_(failure) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  int node_size() const override { return inner_.node_size(); }
  bool has_process() const override { return inner_.has_process(); }
  double now() const override { return inner_.now(); }
  void send(int to, std::uint8_t kind, Payload payload) override {
    inner_.send(to, kind, std::move(payload));
  }
  std::optional<Message> receive(std::chrono::microseconds timeout) override {
    failure_.rethrow();
    return inner_.receive(timeout);
  }
  void give_up(int rank) override { inner_.give_up(rank); }

 private:
  Transport& inner_;
  RankFailure& failure_;
};

ExitCode with_threads(const Work& work) {
  const int wanted = threads_wanted();
  const auto transports = make_thread_transports(wanted > 0 ? wanted : default_threads());
  RankFailure failure;
  AlertTransport own(*transports.front(), failure);
  WorkloadShelf shelf;
  Session session{own, stop_on_signals(), shelf};
  std::vector<std::jthread> ranks;
  const Dismissal at_the_end(own);  // before `ranks` waits for them
  try {
    for (std::size_t r = 1; r < transports.size(); ++r) {
      ranks.emplace_back([&shelf, &transport = *transports[r], &failure] {
        try {
          (void)serve_to_the_end(transport, shelf);
        } catch (...) {
          failure.set(std::current_exception());
        }
      });
    }
    return work(session);
  } catch (const std::system_error& e) {
    // Later it is a rank's thread for computing that cannot be started.
    if (e.code() != std::errc::resource_unavailable_try_again) throw;
    throw Error(ErrorCode::resource,
                fmt::format("cannot start the threads of {} ranks: {}", transports.size(),
                            e.code().message()),
                {}, "Ask for fewer: --threads N; each is two threads");
  }
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
    check_outputs({.files = {}, .folders = {out}}, job);
    ProgressLine progress;
    const RunOutcome outcome = run_job(job, {.directory = out, .last = last}, session, progress);
    show(outcome);
    return outcome.failed > 0 ? kExitPartial : kExitOk;
  });
}

}  // namespace qsweep
