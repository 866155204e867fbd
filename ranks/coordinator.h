#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "ranks/transport.h"

namespace qsweep {

/// The work of one rank, opaque to this module. Used by one thread.
class TaskHandler {
 public:
  virtual ~TaskHandler() = default;
  /// Applies state that later tasks need (model, ranges, schemes); may come several times. Strong
  /// guarantee: it applies all of `state` or throws and changes nothing, so that a later call can
  /// succeed. Throws as well when an earlier state that this one builds on is missing. The rank
  /// computes nothing after an exception until a later call succeeds.
  /// @throws Error(mismatch) when this rank would compute something else than rank 0 (another
  /// model, data, program); any other exception when it cannot compute at all. Ranks that fail for
  /// one reason are named together, so texts should not hold the rank's number
  virtual void configure(ByteView state) = 0;
  /// Computes one task. An exception becomes a failed outcome, the worker lives on. Called only
  /// while the last configuration, if there was any, is applied.
  virtual Bytes run(ByteView task) = 0;
};

struct Task {
  Bytes payload{};
  double cost = 1.0;  ///< in any unit; only ratios matter
  /// Tasks of one group, in all runs, share something that a rank has to make once and then keeps:
  /// they go to one rank as long as the others have work. None: the task goes anywhere.
  std::optional<std::int64_t> group{};
};

struct TaskOutcome {
  std::size_t task = 0;  ///< index into the tasks given to run()
  bool ok = false;
  Bytes result;       ///< when ok
  std::string error;  ///< when not: one line, from the last attempt
  int rank = 0;
  int attempts = 1;
  double start_s = 0.0;  ///< since the coordinator started
  double seconds = 0.0;  ///< of computing
};

struct CoordinatorOptions {
  double heartbeat_s = 1.0;    ///< workers say they live this often, also while they compute
  double dead_after_s = 30.0;  ///< silence after which a worker is given up and its tasks reissued
  int queue_depth = 2;         ///< tasks a worker holds: one running, one waiting
  int max_attempts =
      2;  ///< a task that failed this often, on different ranks where there are, is failed
  double coordinator_timeout_s = 600.0;  ///< a worker that hears nothing this long leaves
  std::string fingerprint{};             ///< must be equal on all ranks: program and machine kind
};

/// What it means for a run that a rank cannot apply a configuration. A rank that differs from rank
/// 0 (Error(mismatch)) always ends the run, and so does rank 0 itself.
enum class OnFailure {
  end_run,    ///< no rank computes any more
  leave_out,  ///< the others go on; the rank computes nothing to the end of the run
};

/// What became of the ranks, for the cost ledger.
struct RankReport {
  int rank = 0;
  std::string host{};  ///< may be empty
  bool lost = false;
  bool left_out = false;  ///< it could not be configured
  std::int64_t tasks = 0;
  double busy_s = 0.0;
};

/// Hands tasks to the ranks, itself included: rank 0 computes on a thread of its own while this
/// thread serves messages. Tasks go out in the order given, larger ones first where costs differ
/// and those of a rank's own groups before others; each outcome is reported once, on the calling
/// thread, in order of arrival (callers must not depend on that order).
class Coordinator {
 public:
  /// Both must outlive the coordinator. `local` runs on another thread, one call at a time.
  Coordinator(Transport& transport, TaskHandler& local, CoordinatorOptions options = {});
  ~Coordinator();  ///< shutdown() if it has not happened
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  /// Applies state on every rank, this one included, and waits until each has answered; those that
  /// fall silent meanwhile are lost as in a run.
  /// @return false when `stop` became true before: the ranks go on, and compute tasks once they
  /// have answered
  /// @throws Error when ranks failed: one error that names them, their hosts and their reasons. Its
  /// code is mismatch when any differs from rank 0, else that of the lowest rank. With leave_out a
  /// warning names the ranks that only failed. After an error no task runs before a later
  /// configuration succeeds
  bool configure(const Bytes& state,
                 const std::atomic<bool>& stop,
                 OnFailure on_failure = OnFailure::end_run);

  /// Runs all tasks; returns when each has an outcome, or early when `stop` becomes true: then
  /// running tasks are drained (their outcomes are reported), waiting ones are not started.
  /// @return true when every task has an outcome
  /// @throws Error as configure() when ranks could not be configured
  bool run(const std::vector<Task>& tasks,
           const std::function<void(const TaskOutcome&)>& report,
           const std::atomic<bool>& stop);

  /// Tells the workers to leave. No call may follow.
  void shutdown();

  [[nodiscard]] std::vector<RankReport> ranks() const;
  [[nodiscard]] int lost_ranks() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Why serve() came back.
enum class Parting {
  released,   ///< the coordinator is through; another may follow
  dismissed,  ///< none follows
  orphaned,   ///< the coordinator has been silent for `coordinator_timeout_s`
};

/// The loop of a rank other than 0: computes what it is given until one of the above.
Parting serve(Transport& transport, TaskHandler& handler, CoordinatorOptions options = {});

/// Tells all ranks that no coordinator follows, whether there was one or not. On rank 0, when none
/// is left; no use of the transport may follow.
void dismiss(Transport& transport) noexcept;

}  // namespace qsweep
