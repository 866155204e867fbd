#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ranks/coordinator.h"
#include "ranks/messages.h"
#include "ranks/silence.h"

namespace qsweep {

/// What the coordinator decides, free of threads, clocks and transports: events go in, messages and
/// outcomes come out. All ranks are alike to it, rank 0 too, except that rank 0 cannot be lost.
/// Coordinator drives it over a Transport, SimCluster over a virtual clock.
class CoordinatorState {
 public:
  CoordinatorState(int ranks, const CoordinatorOptions& options, double now);

  void configure(ByteView state);
  /// Starts a run; the tasks must outlive it. Tasks of an unfinished earlier run are forgotten.
  /// @throws Error(resource) for a task too large to send
  void begin(std::span<const Task> tasks, double now);
  /// Ranks finish what they compute, and begin nothing more in this run. May be called again.
  void stop();
  /// A damaged message costs its sender the membership.
  void on_message(const Message& message, double now);
  /// @throws Error(mismatch) when ranks with another fingerprint said hello; names all of them
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
    bool is_ready = false;  ///< said hello with our fingerprint
    bool is_lost = false;
    bool is_told_to_leave = false;
    bool is_draining = false;  ///< told to stop, has not answered
    Silence silence;
    std::string fingerprint{};  ///< from its hello
    bool has_said_hello = false;
    std::deque<std::size_t> held{};  ///< tasks it has and has not answered, in its order
    std::int64_t tasks = 0;
    double busy_s = 0.0;
    [[nodiscard]] bool works() const { return is_ready && !is_lost; }
  };
  struct TaskState {
    bool is_done = false;
    int failures = 0;     ///< answered with a reason
    int losses = 0;       ///< its rank was lost while it computed this
    std::set<int> avoid;  ///< ranks that go last
    double start_s = 0.0;
  };

  Rank& rank(int r) { return ranks_.at(static_cast<std::size_t>(r)); }
  void send(int to, message::Kind kind, Bytes payload);
  void assign();
  /// The waiting task that the rank should have next; waiting_.size() for none.
  [[nodiscard]] std::size_t choose(int r) const;
  [[nodiscard]] bool may_try(int r, std::size_t task) const;
  void give(int r, std::size_t task);
  void on_outcome(int from, message::OutcomeMessage outcome);
  void settle(int r, std::size_t task, message::OutcomeMessage outcome);
  void check_fingerprints() const;

  CoordinatorOptions options_;
  double origin_;
  double now_;
  double last_tick_;
  double last_heartbeat_;
  std::vector<Rank> ranks_;
  std::size_t working_ = 0;                      ///< ranks that are ready and not lost
  std::unordered_map<std::int64_t, int> homes_;  ///< by group: the rank that had its first task

  // The run in progress.
  std::uint64_t round_ = 0;
  bool is_stopping_ = false;
  std::span<const Task> tasks_;
  std::vector<TaskState> states_;
  std::deque<std::size_t> waiting_;
  std::size_t open_ = 0;  ///< tasks without an outcome

  std::vector<message::Envelope> sends_;
  std::vector<TaskOutcome> outcomes_;
  std::vector<int> given_up_;
};

}  // namespace qsweep
