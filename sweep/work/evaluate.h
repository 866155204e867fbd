#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sweep/work/rank_state.h"
#include "sweep/work/tasks.h"

namespace qsweep {

/// Evaluates schemes on shards. Keeps the float model's outputs of the shards it has seen while
/// there is room, since every scheme is compared with them. Results are pure functions of the task
/// and the rank's state. Used by one thread.
class ShardEvaluator {
 public:
  /// @param rank must outlive it
  explicit ShardEvaluator(RankState& rank) : rank_(rank) {}
  [[nodiscard]] EvaluateResult evaluate(const EvaluateTask& task);

 private:
  using Outputs = std::vector<Tensor>;  ///< of a batch
  const std::vector<Outputs>& float_outputs(Range shard);
  const std::vector<Outputs>& keep(Range shard, std::vector<Outputs> batches);

  RankState& rank_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Outputs>> kept_;  ///< by shard
  std::size_t kept_bytes_ = 0;
};

}  // namespace qsweep
