#include "ranks/waiting_tasks.h"

#include <algorithm>
#include <deque>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/random.h"

namespace qsweep {
namespace {

/// The rule as PROTOCOL.md states it, by a scan of the waiting tasks.
class ScannedTasks {
 public:
  void begin(std::span<const Task> tasks) {
    tasks_ = tasks;
    avoided_.assign(tasks.size(), {});
    waiting_.resize(tasks.size());
    std::iota(waiting_.begin(), waiting_.end(), std::size_t{0});
    std::ranges::stable_sort(
        waiting_, [&](std::size_t a, std::size_t b) { return tasks[a].cost > tasks[b].cost; });
  }
  std::size_t size() const { return waiting_.size(); }
  std::optional<std::size_t> take(int rank,
                                  const std::function<bool(const std::set<int>&)>& may_try) {
    auto homeless = waiting_.end();
    auto any = waiting_.end();
    auto chosen = waiting_.end();
    for (auto at = waiting_.begin(); at != waiting_.end() && chosen == waiting_.end(); ++at) {
      const std::set<int>& avoided = avoided_[*at];
      if (avoided.contains(rank) && !may_try(avoided)) continue;
      const auto& group = tasks_[*at].group;
      const bool has_home = group && homes_.contains(*group);
      if (!group || (has_home && homes_.at(*group) == rank)) chosen = at;
      auto& first = has_home ? any : homeless;
      if (first == waiting_.end()) first = at;
    }
    if (chosen == waiting_.end()) chosen = homeless;
    if (chosen == waiting_.end()) chosen = any;
    if (chosen == waiting_.end()) return std::nullopt;
    const std::size_t task = *chosen;
    waiting_.erase(chosen);
    if (tasks_[task].group) homes_.try_emplace(*tasks_[task].group, rank);
    return task;
  }
  void push_front(std::size_t task) { waiting_.push_front(task); }
  void push_back(std::size_t task) { waiting_.push_back(task); }
  void remove(std::size_t task) { std::erase(waiting_, task); }
  void avoid(std::size_t task, int rank) { avoided_[task].insert(rank); }
  void forget_home(int rank) {
    std::erase_if(homes_, [&](const auto& home) { return home.second == rank; });
  }

 private:
  std::span<const Task> tasks_;
  std::deque<std::size_t> waiting_;
  std::vector<std::set<int>> avoided_;
  std::map<std::int64_t, int> homes_;
};

/// Random takes, failures, losses and removals over a few runs, on both.
class RandomSchedule {
 public:
  explicit RandomSchedule(std::uint64_t seed)
      : random_(seed, 29), ranks_(1 + static_cast<int>(random_.below(9))), tasks_(ranks_) {
    for (int r = 0; r < ranks_; ++r) live_.push_back(r);
  }

  void play() {
    for (int run = 0; run < 3; ++run) {
      begin();
      for (int step = 0; step < 300 && !::testing::Test::HasFailure(); ++step) {
        this->step();
        ASSERT_EQ(tasks_.size(), scanned_.size());
        ASSERT_EQ(tasks_.empty(), scanned_.size() == 0);
      }
    }
  }

 private:
  void begin() {
    work_.clear();
    held_.clear();
    const std::uint64_t groups = random_.below(12);
    for (std::uint64_t t = random_.below(80); t > 0; --t) {
      Task task{.cost = static_cast<double>(random_.below(5))};
      if (groups > 0 && random_.below(4) > 0)
        task.group = static_cast<std::int64_t>(random_.below(groups));
      work_.push_back(std::move(task));
    }
    tasks_.begin(work_);
    scanned_.begin(work_);
  }

  void step() {
    const std::uint64_t kind = random_.below(20);
    if (kind < 12) {
      take(live_[random_.below(live_.size())]);
    } else if (kind < 17) {
      if (held_.empty()) return;
      const auto at = held_.begin() + static_cast<std::ptrdiff_t>(random_.below(held_.size()));
      const auto [task, rank] = *at;
      held_.erase(at);
      give_back(task, rank);
    } else if (kind < 19) {
      if (work_.empty()) return;
      const std::size_t task = random_.below(work_.size());
      tasks_.remove(task);
      scanned_.remove(task);
    } else if (live_.size() > 1 && random_.below(4) == 0) {
      const auto at = live_.begin() + static_cast<std::ptrdiff_t>(random_.below(live_.size()));
      tasks_.forget_home(*at);
      scanned_.forget_home(*at);
      live_.erase(at);
    }
  }

  void take(int rank) {
    const auto may_try = [&](const std::set<int>& avoided) {
      return std::ranges::all_of(live_, [&](int r) { return avoided.contains(r); });
    };
    const auto task = tasks_.take(rank, may_try);
    ASSERT_EQ(task, scanned_.take(rank, may_try));
    if (task) held_.emplace_back(*task, rank);
  }

  /// After a failure it waits behind all, after a loss before all; or it is done.
  void give_back(std::size_t task, int rank) {
    const std::uint64_t fate = random_.below(4);
    if (fate == 0) return;
    if (fate > 1) {
      tasks_.avoid(task, rank);
      scanned_.avoid(task, rank);
    }
    if (fate == 3) {
      tasks_.push_back(task);
      scanned_.push_back(task);
    } else {
      tasks_.push_front(task);
      scanned_.push_front(task);
    }
  }

  Random random_;
  int ranks_;
  std::vector<int> live_;
  std::vector<Task> work_;
  std::vector<std::pair<std::size_t, int>> held_;
  WaitingTasks tasks_;
  ScannedTasks scanned_;
};

TEST(WaitingTasksTest, takes_what_a_scan_of_all_waiting_tasks_would_take) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomSchedule(seed).play();
    if (HasFailure()) return;
  }
}

TEST(WaitingTasksTest, a_task_is_given_to_a_rank_that_it_avoids_only_when_no_other_may_have_it) {
  const std::vector<Task> work(2);
  WaitingTasks tasks(2);
  tasks.begin(work);
  EXPECT_EQ(tasks.take(0, {}), 0u);
  tasks.avoid(0, 0);
  tasks.push_front(0);
  const auto no = [](const WaitingTasks::Avoided&) { return false; };
  EXPECT_EQ(tasks.take(0, no), 1u);
  EXPECT_EQ(tasks.take(0, no), std::nullopt);
  EXPECT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks.take(0, [](const WaitingTasks::Avoided&) { return true; }), 0u);
  EXPECT_TRUE(tasks.empty());
}

}  // namespace
}  // namespace qsweep
