#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ranks/coordinator.h"
#include "ranks/messages.h"
#include "ranks/refusal.h"
#include "ranks/silence.h"
#include "ranks/waiting_tasks.h"

namespace qsweep {

/// What the coordinator decides, free of threads, clocks and transports: events go in, messages and
/// outcomes come out. All ranks are alike to it, rank 0 too, except that rank 0 cannot be lost.
/// Coordinator drives it over a Transport, SimCluster over a virtual clock.
class CoordinatorState {
 public:
  CoordinatorState(int ranks, const CoordinatorOptions& options, double now);

  /// Every rank is to apply `state`, and works only when it has said that it did.
  /// @throws Error(resource) for a state too large to send
  void configure(ByteView state, OnFailure on_failure);
  /// Every rank that is not lost or left out has applied the last configuration.
  [[nodiscard]] bool is_configured() const;
  /// Starts a run; the tasks must outlive it. Tasks of an unfinished earlier run are forgotten.
  /// @throws Error(resource) for a task too large to send, else as on_tick()
  void begin(std::span<const Task> tasks, double now);
  /// Ranks finish what they compute, and begin nothing more in this run. May be called again.
  void stop();
  /// A damaged message costs its sender the membership.
  void on_message(const Message& message, double now);
  /// @throws Error(mismatch) when ranks with another fingerprint said hello, and Error as
  /// Coordinator::configure() when ranks could not be configured; once all have spoken, naming all
  void on_tick(double now);
  /// `rank` cannot be reached any more: its tasks go to others. No effect on rank 0 or a lost rank.
  void give_up(int rank, const std::string& reason);
  void leave();

  /// Every task has an outcome, or stop() was called and no rank computes any more.
  [[nodiscard]] bool is_done() const;
  [[nodiscard]] bool is_complete() const { return open_ == 0; }
  [[nodiscard]] std::vector<message::Envelope> take_sends();
  [[nodiscard]] std::vector<TaskOutcome> take_outcomes();
  /// Ranks given up since the last call.
  [[nodiscard]] std::vector<int> take_given_up();
  [[nodiscard]] std::vector<RankReport> ranks() const;

 private:
  struct Rank {
    // These first and together, since assign() looks at them in every rank.
    bool works = false;              ///< see find_working()
    std::deque<std::size_t> held{};  ///< tasks it has and has not answered, in its order
    bool is_ready = false;           ///< said hello with our fingerprint
    bool is_lost = false;
    bool is_left_out = false;  ///< could not be configured; the run goes on without it
    bool is_told_to_leave = false;
    bool is_draining = false;  ///< told to stop, has not answered
    Silence silence;
    message::HelloMessage hello{};
    bool has_said_hello = false;
    std::vector<Payload> owed{};       ///< configurations from before it was ready
    std::uint64_t answered = 0;        ///< number of the last configuration it answered
    std::optional<Refusal> refusal{};  ///< its answer, when it could not apply that
    std::int64_t tasks = 0;
    double busy_s = 0.0;
    [[nodiscard]] bool is_member() const { return !is_lost && !is_left_out; }
  };
  struct TaskState {
    bool is_done = false;
    int failures = 0;  ///< answered with a reason
    int losses = 0;    ///< its rank was lost while it computed this
    double start_s = 0.0;
  };

  Rank& rank(int r) { return ranks_.at(static_cast<std::size_t>(r)); }
  void send(int to, message::Kind kind, Payload payload);
  /// It does not work yet, but will, or be lost.
  [[nodiscard]] bool may_come(const Rank& r) const;
  /// Who has said hello with our fingerprint, is not lost or left out, and has applied the last
  /// configuration. To be called whenever any of that changes.
  void find_working();
  void assign();
  /// Whether every rank that works or may come is among those a task avoids.
  [[nodiscard]] bool are_all(const WaitingTasks::Avoided& avoided) const;
  void give(int r, std::size_t task);
  void on_hello(Rank& from, int r, message::HelloMessage hello);
  void on_outcome(int from, message::OutcomeMessage outcome);
  void settle(int r, std::size_t task, message::OutcomeMessage outcome);
  void check_fingerprints() const;
  void check_configuration();
  [[nodiscard]] std::vector<int> refusing() const;
  [[nodiscard]] std::vector<Remark> remarks(std::span<const int> ranks) const;
  [[nodiscard]] Error refusal_error(std::span<const int> ranks) const;

  CoordinatorOptions options_;
  double origin_;
  double now_;
  double last_tick_;
  double last_heartbeat_;
  std::vector<Rank> ranks_;
  std::size_t working_ = 0;          ///< ranks that work
  std::uint64_t configuration_ = 0;  ///< number of the last one
  OnFailure on_failure_ = OnFailure::end_run;

  // The run in progress.
  std::uint64_t round_ = 0;
  bool is_stopping_ = false;
  std::span<const Task> tasks_;
  std::vector<TaskState> states_;
  WaitingTasks waiting_;
  std::size_t open_ = 0;  ///< tasks without an outcome

  std::vector<message::Envelope> sends_;
  std::vector<TaskOutcome> outcomes_;
  std::vector<int> given_up_;
};

}  // namespace qsweep
