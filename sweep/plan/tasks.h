#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/base/ids.h"

namespace qsweep {

/// What is to be evaluated on one shard.
struct ShardWork {
  ShardId shard{};
  double start = 0.0;  ///< work units (MACs and moved elements) of one scheme from the input on
  std::vector<std::size_t> schemes{};  ///< indices, in trie order
  std::vector<float> added{};          ///< work units of each scheme that the one before it lacks
};

/// Schemes for one rank to evaluate on one shard.
struct ShardTask {
  ShardId shard{};
  std::vector<std::size_t> schemes{};  ///< in the order given
  double work = 0.0;                   ///< work units
};

/// Cuts shards into tasks. What shares a shard shares work, so tasks are as large as they can be
/// while each rank has several and none takes more than some seconds, which is what a killed rank
/// loses; towards the end they get smaller, so that the ranks end together (Polychronopoulos and
/// Kuck, "Guided self-scheduling", IEEE Transactions on Computers, 1987). Pure.
/// @param ranks at least 1
[[nodiscard]] std::vector<ShardTask> cut_tasks(std::span<const ShardWork> shards, int ranks);

}  // namespace qsweep
