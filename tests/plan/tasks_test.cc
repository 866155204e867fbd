#include "sweep/plan/tasks.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "src/base/random.h"

namespace qsweep {
namespace {

constexpr double kStart = 1e10;

/// A shard whose schemes each add about half of a start.
ShardWork shard_of(ShardId shard, std::size_t schemes, Random& random) {
  ShardWork s{.shard = shard, .start = kStart};
  for (std::size_t i = 0; i < schemes; ++i) {
    s.schemes.push_back(i);
    s.added.push_back(static_cast<float>(i == 0 ? kStart : kStart * random.uniform()));
  }
  return s;
}

std::vector<ShardWork> shards_of(std::size_t shards, std::size_t schemes) {
  Random random(7, 1);
  std::vector<ShardWork> all;
  for (const ShardId shard : ids<ShardId>(shards)) all.push_back(shard_of(shard, schemes, random));
  return all;
}

/// When ranks of one speed are through, each taking the largest task left.
double makespan(const std::vector<ShardTask>& tasks, int ranks) {
  std::vector<double> works;
  for (const ShardTask& t : tasks) works.push_back(t.work);
  std::ranges::sort(works, std::greater());
  std::vector<double> busy(static_cast<std::size_t>(ranks), 0.0);
  for (const double work : works) *std::ranges::min_element(busy) += work;
  return *std::ranges::max_element(busy);
}

double total(const std::vector<ShardTask>& tasks) {
  double all = 0.0;
  for (const ShardTask& t : tasks) all += t.work;
  return all;
}

TEST(TasksTest, every_scheme_of_every_shard_is_in_one_task) {
  for (const int ranks : {1, 2, 3, 64}) {
    const std::vector<ShardWork> shards = shards_of(13, 57);
    std::map<ShardId, std::vector<std::size_t>> found;
    for (const ShardTask& t : cut_tasks(shards, ranks)) {
      EXPECT_FALSE(t.schemes.empty());
      auto& all = found[t.shard];
      all.insert(all.end(), t.schemes.begin(), t.schemes.end());
    }
    ASSERT_EQ(found.size(), shards.size());
    for (const ShardWork& s : shards) EXPECT_EQ(found[s.shard], s.schemes);
  }
}

TEST(TasksTest, one_rank_keeps_together_what_shares_work) {
  const std::vector<ShardTask> tasks = cut_tasks(shards_of(20, 60), 1);
  EXPECT_EQ(tasks.size(), 20u);
}

TEST(TasksTest, ranks_end_together_at_little_cost) {
  for (const int ranks : {2, 3, 5, 8}) {
    for (const std::size_t shards : {1u, 3u, 4u, 20u, 21u}) {
      const std::vector<ShardWork> work = shards_of(shards, 600);
      const double alone = total(cut_tasks(work, 1));
      const std::vector<ShardTask> tasks = cut_tasks(work, ranks);
      EXPECT_LT(total(tasks), 1.05 * alone) << ranks << " ranks, " << shards << " shards";
      EXPECT_LT(makespan(tasks, ranks) * ranks, (shards < 20 ? 1.15 : 1.05) * alone)
          << ranks << " ranks, " << shards << " shards";
    }
  }
}

TEST(TasksTest, the_last_tasks_are_the_smaller_ones) {
  const std::vector<ShardTask> tasks = cut_tasks(shards_of(20, 60), 2);
  EXPECT_GT(tasks.size(), 20u);
  EXPECT_LT(tasks.size(), 28u);
  EXPECT_LT(tasks.back().work, 0.6 * tasks.front().work);
}

TEST(TasksTest, alone_on_a_shard_tasks_are_alike) {
  double least = 1e300;
  double most = 0.0;
  for (const ShardTask& t : cut_tasks(shards_of(1, 400), 1)) {
    least = std::min(least, t.work);
    most = std::max(most, t.work);
  }
  EXPECT_LT(most, least + 2 * kStart);
}

TEST(TasksTest, no_task_is_much_larger_than_what_the_others_have_left) {
  for (const int ranks : {2, 3, 8}) {
    std::vector<double> works;
    for (const ShardTask& t : cut_tasks(shards_of(6, 500), ranks)) works.push_back(t.work);
    double left = 0.0;
    for (auto work = works.rbegin(); work != works.rend(); ++work) {
      left += *work;
      // Eight starts are the least a task is worth.
      EXPECT_LT(*work, std::max(left / ranks, 10 * kStart));
    }
  }
}

TEST(TasksTest, none_is_smaller_than_is_worth_a_message) {
  std::vector<ShardWork> shards = shards_of(50, 40);
  for (ShardWork& s : shards) {
    s.start *= 1e-4;
    for (float& added : s.added) added *= 1e-4F;
  }
  EXPECT_EQ(cut_tasks(shards, 8).size(), 50u);
}

TEST(TasksTest, nothing_to_do_is_no_task) {
  EXPECT_TRUE(cut_tasks({}, 3).empty());
  const std::vector<ShardWork> done = {{.shard = ShardId(0), .start = kStart}};
  EXPECT_TRUE(cut_tasks(done, 3).empty());
  const std::vector<ShardWork> repeated = {
      {.shard = ShardId(4), .start = kStart, .schemes = {2}, .added = {0.0F}}};
  ASSERT_EQ(cut_tasks(repeated, 3).size(), 1u);
  EXPECT_EQ(cut_tasks(repeated, 3)[0].schemes, (std::vector<std::size_t>{2}));
}

}  // namespace
}  // namespace qsweep
