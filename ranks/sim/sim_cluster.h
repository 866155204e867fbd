#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "ranks/coordinator.h"
#include "ranks/worker_state.h"

namespace qsweep {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// From `at_s` on the rank neither computes, sends nor receives, for `for_s`; kNever ends it. What
/// a dead rank had sent may be lost with it.
struct SimFault {
  int rank = 1;
  double at_s = 0.0;
  double for_s = kNever;
};

struct SimOptions {
  int ranks = 1;
  std::uint64_t seed = 0;
  int ranks_per_host = 8;          ///< rank r runs on the machine `node<r / ranks_per_host>`
  double delay_s = 1e-4;           ///< of a message on average; each takes 0 to 2 times as long
  std::vector<SimFault> faults{};  ///< rank 0 may stall but not die
  CoordinatorOptions coordinator{};
  double limit_s = 1e7;  ///< a run that takes longer is a bug of ours: Error(internal)
};

/// What a rank makes of a job, and how long that takes it (Computed::seconds, virtual). Nothing:
/// the rank dies of it.
using SimWork = std::function<std::optional<Computed>(int rank, const Job& job)>;

/// The real coordinator and workers over a simulated cluster: one thread, a virtual clock, seeded
/// delays, ranks that stall and die. Equal options give equal runs. The face of Coordinator.
class SimCluster {
 public:
  SimCluster(SimOptions options, SimWork work);
  ~SimCluster();
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  /// @param stop as in run()
  bool configure(const Bytes& state,
                 OnFailure on_failure = OnFailure::end_run,
                 const std::function<bool()>& stop = {});
  /// @param stop asked at every event whether the stop flag is set
  bool run(const std::vector<Task>& tasks,
           const std::function<void(const TaskOutcome&)>& report,
           const std::function<bool()>& stop = {});
  /// Goes on until no living rank serves any more.
  void shutdown();

  [[nodiscard]] double now() const;
  [[nodiscard]] std::vector<RankReport> ranks() const;
  [[nodiscard]] int lost_ranks() const;
  /// How the rank stands; a dead one stays as it was when it died.
  [[nodiscard]] WorkerState::Phase phase(int rank) const;
  [[nodiscard]] bool is_dead(int rank) const;
  [[nodiscard]] std::uint64_t messages() const;  ///< delivered so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qsweep
