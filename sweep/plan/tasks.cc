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
/// Rather this much more in each task of a shard than one task more.
constexpr double kSlack = 0.1;

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
    double rest = work_of(s);
    for (std::size_t i = 0; i < s.schemes.size();) {
      const double end = ranks == 1 ? share : std::min(share, left / (kTail * ranks));
      const double most = std::max({kLeastWork, kStartsPerTask * s.start, end});
      const double count = std::max(1.0, std::ceil(rest / most - kSlack));
      ShardTask& task = tasks.emplace_back(ShardTask{.shard = s.shard, .work = s.start});
      double taken = 0.0;
      // The last takes what is left; another scheme belongs where its middle lies.
      do {
        task.schemes.push_back(s.schemes[i]);
        if (task.schemes.size() > 1) task.work += s.added[i];
        taken += s.added[i];
        ++i;
      } while (i < s.schemes.size() && (count == 1.0 || taken + s.added[i] / 2.0 < rest / count));
      rest -= taken;
      left -= taken;
    }
  }
  return tasks;
}

}  // namespace qsweep
