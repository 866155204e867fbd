#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/ranks/crew.h"

namespace qsweep::testing {
namespace {

/// Runs tasks and insists that each outcome comes once.
struct Collected {
  bool complete = false;
  std::map<std::size_t, TaskOutcome> outcomes;
};

Collected run(Crew& crew,
              const std::vector<Task>& tasks,
              const std::function<bool(const Collected&)>& stop = {}) {
  Collected c;
  c.complete = crew.run(
      tasks,
      [&](const TaskOutcome& o) {
        EXPECT_TRUE(c.outcomes.emplace(o.task, o).second) << "task " << o.task << " came twice";
      },
      [&] { return stop && stop(c); });
  return c;
}

std::string text(const TaskOutcome& o) {
  return o.ok ? std::string(as_text(o.result)) : "error: " + o.error;
}

std::vector<Task> echoes(int n) {
  std::vector<Task> tasks;
  for (int i = 0; i < n; ++i) tasks.push_back(text_task(fmt::format("echo {}", i), i % 7));
  return tasks;
}

std::vector<Task> sleeps(int n) {
  return std::vector<Task>(static_cast<std::size_t>(n), text_task("sleep 0.01"));
}

Error configure_error_of(Crew& crew,
                         const std::string& state,
                         OnFailure on_failure = OnFailure::end_run) {
  try {
    (void)crew.configure(state, on_failure);
  } catch (const Error& e) {
    return e;
  }
  return {ErrorCode::internal, "no error"};
}

class RanksTest : public ::testing::TestWithParam<int> {
 protected:
  int ranks() const { return GetParam(); }
  std::unique_ptr<Crew> crew = open_crew(GetParam(), quick_options());
};

TEST_P(RanksTest, every_task_is_done_once_with_its_own_result) {
  for (const int n : {1, 2, 3, 50, 333}) {
    const Collected c = run(*crew, echoes(n));
    EXPECT_TRUE(c.complete);
    ASSERT_EQ(c.outcomes.size(), static_cast<std::size_t>(n));
    for (const auto& [task, o] : c.outcomes) {
      EXPECT_EQ(text(o), std::to_string(task));
      EXPECT_EQ(o.attempts, 1);
    }
  }
  crew->shutdown();
}

TEST_P(RanksTest, no_tasks_is_a_complete_run) {
  EXPECT_TRUE(run(*crew, {}).complete);
  EXPECT_TRUE(run(*crew, echoes(3)).complete);
}

TEST_P(RanksTest, configuration_reaches_tasks_sent_after_it) {
  EXPECT_TRUE(crew->configure("a"));
  for (const auto& [task, o] : run(*crew, echoes(20)).outcomes)
    EXPECT_EQ(text(o), fmt::format("a{}", task));
  EXPECT_TRUE(crew->configure("b"));
  for (const auto& [task, o] : run(*crew, echoes(20)).outcomes)
    EXPECT_EQ(text(o), fmt::format("b{}", task));
}

TEST_P(RanksTest, a_failing_task_fails_with_its_reason_and_the_rest_go_on) {
  std::vector<Task> tasks = echoes(10);
  tasks.push_back(text_task("fail this", 100.0));
  const Collected c = run(*crew, tasks);
  EXPECT_TRUE(c.complete);
  ASSERT_EQ(c.outcomes.size(), 11u);
  EXPECT_EQ(text(c.outcomes.at(10)), "error: cannot do this");
  EXPECT_EQ(c.outcomes.at(10).attempts, 2);
  for (std::size_t t = 0; t < 10; ++t) EXPECT_TRUE(c.outcomes.at(t).ok);
}

TEST_P(RanksTest, a_task_that_fails_on_one_rank_succeeds_on_another) {
  if (ranks() == 1) GTEST_SKIP() << "needs two ranks";
  std::vector<Task> tasks = echoes(30);
  for (int r = 0; r < ranks(); ++r) tasks.push_back(text_task(fmt::format("fail_on {}", r)));
  const Collected c = run(*crew, tasks);
  ASSERT_EQ(c.outcomes.size(), tasks.size());
  for (const auto& [task, o] : c.outcomes) EXPECT_TRUE(o.ok) << text(o);
}

TEST_P(RanksTest, a_failed_configuration_ends_the_run_before_any_work_until_a_later_one_succeeds) {
  const auto reason = [&](const Error& e) {
    return ranks() == 1
               ? e.message() == "a bad state [data]"
               : e.message().starts_with(fmt::format(
                     "{0} of {0} ranks cannot take part: ranks 0-{1}", ranks(), ranks() - 1)) &&
                     e.message().ends_with(": a bad state [data]");
  };
  for (int turn = 0; turn < 2; ++turn) {
    const Error error = configure_error_of(*crew, "bad");
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_EQ(error.hint(), "Copy it");
    EXPECT_TRUE(reason(error)) << error.what();
    EXPECT_THROW(run(*crew, echoes(4)), Error);
  }
  EXPECT_TRUE(crew->configure("good"));
  for (const auto& [task, o] : run(*crew, echoes(4)).outcomes)
    EXPECT_EQ(text(o), fmt::format("good{}", task));
}

TEST_P(RanksTest, one_rank_that_cannot_be_configured_ends_the_run) {
  if (ranks() == 1) GTEST_SKIP() << "needs two ranks";
  EXPECT_TRUE(crew->configure("a"));
  const int last = ranks() - 1;
  const Error error = configure_error_of(*crew, fmt::format("fail_on {}", last));
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_TRUE(error.message().starts_with(
      fmt::format("1 of {} ranks cannot take part: rank {}", ranks(), last)))
      << error.what();
  EXPECT_TRUE(error.message().ends_with(": cannot open eval.bin [data]")) << error.what();
  EXPECT_THROW(run(*crew, echoes(4)), Error);
  for (const RankReport& r : crew->ranks()) {
    EXPECT_EQ(r.tasks, 0) << r.rank;
    EXPECT_FALSE(r.left_out) << r.rank;
  }
  // All can work again, the one that failed as well.
  EXPECT_TRUE(crew->configure("b"));
  EXPECT_TRUE(run(*crew, sleeps(12 * ranks())).complete);
  EXPECT_GT(crew->ranks().back().tasks, 0);
}

TEST_P(RanksTest, a_run_may_go_on_without_a_rank_that_cannot_be_configured) {
  if (ranks() == 1) GTEST_SKIP() << "needs two ranks";
  const int last = ranks() - 1;
  const std::string state = fmt::format("fail_on {}", last);
  EXPECT_TRUE(crew->configure(state, OnFailure::leave_out));
  for (int turn = 0; turn < 2; ++turn) {
    const Collected c = run(*crew, sleeps(12 * ranks()));
    EXPECT_TRUE(c.complete);
    for (const auto& [task, o] : c.outcomes) EXPECT_TRUE(o.ok) << text(o);
    const RankReport report = crew->ranks().back();
    EXPECT_TRUE(report.left_out);
    EXPECT_FALSE(report.lost);
    EXPECT_EQ(report.tasks, 0);
    EXPECT_TRUE(crew->configure("later"));  // it stays out
  }
  crew->shutdown();
}

TEST_P(RanksTest, rank_0_cannot_be_left_out) {
  EXPECT_EQ(configure_error_of(*crew, "fail_on 0", OnFailure::leave_out).code(),
            ErrorCode::not_found);
}

TEST_P(RanksTest, a_rank_that_differs_ends_the_run_whatever_is_asked) {
  if (ranks() == 1) GTEST_SKIP() << "needs two ranks";
  const int last = ranks() - 1;
  for (const OnFailure on_failure : {OnFailure::end_run, OnFailure::leave_out}) {
    const Error error = configure_error_of(*crew, fmt::format("differ_on {}", last), on_failure);
    EXPECT_EQ(error.code(), ErrorCode::mismatch);
    EXPECT_TRUE(error.message().starts_with(
        fmt::format("1 of {} ranks differs from rank 0: rank {}", ranks(), last)))
        << error.what();
    EXPECT_TRUE(error.message().ends_with(": another eval.bin [data]")) << error.what();
    EXPECT_THROW(run(*crew, echoes(4)), Error);
  }
}

TEST_P(RanksTest, stopping_does_not_wait_for_a_slow_configuration) {
  EXPECT_FALSE(crew->configure("slow 0.4;", OnFailure::end_run, 0.05));
  // Those who have answered meanwhile work with it.
  for (const auto& [task, o] : run(*crew, echoes(20)).outcomes)
    EXPECT_EQ(text(o), fmt::format("slow 0.4;{}", task));
}

TEST_P(RanksTest, stopping_drains_what_runs_and_starts_nothing_more) {
  std::vector<Task> tasks(200, text_task("sleep 0.01"));
  const Collected c =
      run(*crew, tasks, [](const Collected& so_far) { return so_far.outcomes.size() >= 3; });
  EXPECT_FALSE(c.complete);
  // At the stop each rank computes one, and may be between two.
  EXPECT_GE(c.outcomes.size(), 3u);
  EXPECT_LE(c.outcomes.size(), 3u + 3u * static_cast<std::size_t>(ranks()));
  for (const auto& [task, o] : c.outcomes) EXPECT_TRUE(o.ok);
  // The ranks are whole: the next run is an ordinary one.
  EXPECT_TRUE(run(*crew, echoes(40)).complete);
}

TEST_P(RanksTest, all_ranks_take_part_and_slow_tasks_do_not_hold_up_the_rest) {
  std::vector<Task> tasks(static_cast<std::size_t>(12 * ranks()), text_task("sleep 0.02"));
  tasks.push_back(text_task("sleep 0.2", 100.0));
  EXPECT_TRUE(run(*crew, tasks).complete);
  std::int64_t total = 0;
  for (const RankReport& r : crew->ranks()) {
    EXPECT_GT(r.tasks, 0) << "rank " << r.rank;
    EXPECT_GT(r.busy_s, 0.0);
    EXPECT_FALSE(r.lost);
    total += r.tasks;
  }
  EXPECT_EQ(total, static_cast<std::int64_t>(tasks.size()));
}

TEST_P(RanksTest, large_payloads_come_through_unchanged) {
  const std::string big(300'000, 'x');
  EXPECT_TRUE(crew->configure(big));
  const Collected c = run(*crew, {text_task("echo " + big), text_task("echo y")});
  EXPECT_EQ(text(c.outcomes.at(0)).size(), 600'000u);
  EXPECT_EQ(text(c.outcomes.at(1)), big + "y");
}

TEST(RankPatienceTest, a_long_task_is_not_a_dead_rank) {
  const int ranks = rank_counts().back();
  const auto crew = open_crew(ranks, quick_options(2.0));
  // Longer than dead_after_s: only heartbeats from beside the computation keep the ranks alive.
  std::vector<Task> tasks(static_cast<std::size_t>(ranks), text_task("sleep 2.3"));
  EXPECT_TRUE(run(*crew, tasks).complete);
  for (const RankReport& r : crew->ranks()) EXPECT_FALSE(r.lost) << r.rank;
}

TEST(RankPatienceTest, a_long_configuration_is_not_a_dead_rank) {
  const int ranks = rank_counts().back();
  const auto crew = open_crew(ranks, quick_options(2.0));
  EXPECT_TRUE(crew->configure("slow 2.3"));
  for (const RankReport& r : crew->ranks()) EXPECT_FALSE(r.lost) << r.rank;
}

INSTANTIATE_TEST_SUITE_P(Ranks, RanksTest, ::testing::ValuesIn(rank_counts()), [](const auto& p) {
  return "n" + std::to_string(p.param);
});

}  // namespace
}  // namespace qsweep::testing
