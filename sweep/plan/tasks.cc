#include "sweep/plan/tasks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qsweep {
namespace {

/// A fraction of a second on one core of a current machine.
constexpr double kLeastWork = 2e10;
constexpr double kMostWork = 64 * kLeastWork;
/// Every task starts from the input: it holds at least so many times the work of starting, or
/// schemes would share little.
constexpr double kStartsPerTask = 8.0;
/// What shares a shard stays in one task while there are so many for each rank.
constexpr double kTasksPerRank = 8.0;
/// Of what is left, no task takes more than one rank's share divided by this.
constexpr double kTail = 2.0;

double work_of(const ShardWork& shard) {
  return std::accumulate(shard.added.begin(), shard.added.end(), 0.0);
}

}  // namespace

std::vector<ShardTask> cut_tasks(std::span<const ShardWork> shards, int ranks) {
  double left = 0.0;
  for (const ShardWork& s : shards) left += work_of(s);
  const double share = std::min(left / (kTasksPerRank * ranks), kMostWork);
  std::vector<ShardTask> tasks;
  for (const ShardWork& s : shards) {
    const double work = work_of(s);
    const double end = ranks == 1 ? share : std::min(share, left / (kTail * ranks));
    const double most = std::max({kLeastWork, kStartsPerTask * s.start, end});
    const double count = std::max(1.0, std::ceil(work / most));
    double done = 0.0;
    double current = -1.0;  // task of the last scheme, counted within the shard
    for (std::size_t i = 0; i < s.schemes.size(); ++i) {
      const double added = s.added[i];
      // A scheme belongs where its middle lies.
      const double middle = work > 0.0 ? (done + added / 2.0) / work : 0.0;
      const double task = std::min(count - 1.0, std::floor(count * middle));
      done += added;
      if (task > current) {
        current = task;
        tasks.push_back({s.shard, {}, s.start});
      } else {
        tasks.back().work += added;
      }
      tasks.back().schemes.push_back(s.schemes[i]);
    }
    left -= work;
  }
  return tasks;
}

}  // namespace qsweep
