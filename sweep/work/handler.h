#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ranks/coordinator.h"

#include "sweep/job/workload.h"
#include "sweep/work/evaluate.h"
#include "sweep/work/rank_state.h"

namespace qsweep {

/// A rank at work on a job: takes the state that rank 0 sends and hands each task to the code for
/// its kind. A configuration applies whole or changes nothing. Used by one thread.
class JobHandler final : public TaskHandler {
 public:
  /// @param rank, node_ranks its number, and how many ranks of the run are on its node
  /// @param shelf where the process keeps its open workloads; must outlive the handler
  JobHandler(int rank, int node_ranks, bool has_process, WorkloadShelf& shelf);
  /// Rank 0's, whose job is open.
  JobHandler(int node_ranks, std::shared_ptr<const Workload> workload, std::string run);

  /// @throws Error when the job cannot be opened here; Error(mismatch) when it is another here than
  /// on rank 0, naming what differs
  void configure(ByteView state) override;
  Bytes run(ByteView task) override;

  /// Null before the job is open.
  [[nodiscard]] const Workload* workload() const {
    return state_.is_open() ? &state_.workload() : nullptr;
  }

  /// State messages for configure().
  /// @param run a name that no other run has
  /// @param log_directory where ranks keep their logs; empty = nowhere
  [[nodiscard]] static Bytes open_job_message(const Workload& workload,
                                              const std::string& run,
                                              const std::string& log_directory);
  [[nodiscard]] static Bytes ranges_message(const std::vector<TensorStats>& by_layer);
  [[nodiscard]] static Bytes adaptations_message(const Adaptations& adaptations);

 private:
  void open_job(ByteReader& in);

  int rank_ = 0;
  int node_ranks_;
  bool has_process_ = true;
  WorkloadShelf* shelf_ = nullptr;
  RankState state_;
  ShardEvaluator evaluator_;
};

}  // namespace qsweep
