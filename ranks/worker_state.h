#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/error.h"

#include "ranks/coordinator.h"
#include "ranks/messages.h"
#include "ranks/silence.h"

namespace qsweep {

/// Something for the handler to do.
struct Job {
  bool is_configure = false;  ///< else a task
  Payload payload{};
};

/// What came of a job.
struct Computed {
  bool ok = false;
  Bytes result{};       ///< of a task, when ok
  std::string error{};  ///< when not
  double seconds = 0.0;
  // Of a configuration, when not ok:
  ErrorCode code = ErrorCode::internal;
  std::string hint{};
};

/// What a worker does next, free of threads, clocks and transports: events go in, messages and jobs
/// come out. Whoever drives it delivers messages, runs one job at a time, and calls on_tick() at
/// least a few times per heartbeat. Every rank has one, rank 0 included.
class WorkerState {
 public:
  enum class Phase {
    serving,
    released,   ///< told to leave
    dismissed,  ///< told that no coordinator follows
    orphaned,   ///< the coordinator has been silent too long
  };

  /// @param host the name of this rank's machine for messages to people; may be empty
  WorkerState(const CoordinatorOptions& options, double now, std::string host = {});

  /// @throws Error(corrupt_input) for a damaged message, Error(internal) for one not for workers
  void on_message(const Message& message, double now);
  /// The job of the last next_job() is done.
  void on_finished(Computed computed, double now);
  void on_tick(double now);

  /// The job to run now; nothing while one runs or none waits.
  [[nodiscard]] std::optional<Job> next_job();
  [[nodiscard]] bool is_computing() const { return running_.has_value(); }
  [[nodiscard]] std::vector<message::Envelope> take_sends();
  [[nodiscard]] Phase phase() const { return phase_; }
  /// After `released`: ranks that the coordinator lost.
  [[nodiscard]] const std::vector<int>& lost_ranks() const { return lost_ranks_; }

 private:
  struct Item {
    std::optional<std::uint64_t> configuration{};  ///< its number; none: a task
    message::TaskMessage task;                     ///< of a configuration only the payload
  };
  void send(message::Kind kind, Payload payload, double now);
  void on_configured(std::uint64_t number, Computed computed, double now);
  void say_drained(double now);

  CoordinatorOptions options_;
  Phase phase_ = Phase::serving;
  std::deque<Item> waiting_;
  std::optional<Item> running_;
  std::optional<std::string> broken_;  ///< why the last configuration failed; bars all tasks
  bool draining_ = false;
  Silence coordinator_;
  double last_tick_;
  double last_sent_;
  std::vector<message::Envelope> sends_;
  std::vector<int> lost_ranks_;
};

}  // namespace qsweep
