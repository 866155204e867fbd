#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/ranks/crew.h"

namespace qsweep::testing {
namespace {

/// A rank that dies takes nothing with it. Apart from the suite: where death is real the ranks of
/// the process group cannot be used again.
TEST(RankDeathTest, survivors_finish_the_work_of_a_rank_that_dies) {
  const int ranks = rank_counts().back();
  ASSERT_GE(ranks, 3);
  const auto crew = open_crew(ranks, quick_options(1.5));
  EXPECT_TRUE(crew->configure("s"));
  const auto never = [] { return false; };
  // Once everybody has computed something, everybody takes part from the first task on.
  const std::vector<Task> warm_up(static_cast<std::size_t>(8 * ranks), text_task("sleep 0.01"));
  EXPECT_TRUE(crew->run(
      warm_up, [](const TaskOutcome&) {}, never));
  std::vector<Task> tasks;
  for (int i = 0; i < 40; ++i) tasks.push_back(text_task("sleep 0.005"));
  // The most costly tasks, so that rank 1 meets one at once.
  for (int i = 0; i < ranks; ++i) tasks.push_back(text_task("die_on 1", 100.0));
  std::map<std::size_t, TaskOutcome> outcomes;
  const auto report = [&](const TaskOutcome& o) {
    EXPECT_TRUE(outcomes.emplace(o.task, o).second);
  };
  EXPECT_TRUE(crew->run(tasks, report, never));
  ASSERT_EQ(outcomes.size(), tasks.size());
  for (const auto& [task, o] : outcomes) {
    EXPECT_TRUE(o.ok) << o.error;
    EXPECT_NE(o.rank, 1);
    EXPECT_EQ(as_text(o.result), task < 40 ? "s0.005" : "sdone");
  }
  EXPECT_TRUE(crew->ranks().at(1).lost);
  EXPECT_FALSE(crew->ranks().at(2).lost);
  // Later runs do without it.
  outcomes.clear();
  EXPECT_TRUE(crew->run({text_task("echo 1"), text_task("echo 2")}, report, never));
  EXPECT_EQ(outcomes.size(), 2u);
  crew->shutdown();
}

}  // namespace
}  // namespace qsweep::testing
