#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/ranks/crew.h"

namespace qsweep::testing {
namespace {

/// A program of its own, like RankDeathTest: the ranks cannot be used again.
TEST(RankConfigureDeathTest, a_rank_that_dies_while_it_is_configured_holds_up_nobody) {
  const int ranks = rank_counts().back();
  ASSERT_GE(ranks, 3);
  const auto crew = open_crew(ranks, quick_options(1.5));
  EXPECT_TRUE(crew->configure("die_on 1;"));
  EXPECT_TRUE(crew->ranks().at(1).lost);
  std::size_t outcomes = 0;
  const auto report = [&](const TaskOutcome& o) {
    EXPECT_EQ(as_text(o.result), fmt::format("die_on 1;{}", o.task));
    EXPECT_NE(o.rank, 1);
    ++outcomes;
  };
  std::vector<Task> tasks;
  for (int i = 0; i < 30; ++i) tasks.push_back(text_task(fmt::format("echo {}", i)));
  EXPECT_TRUE(crew->run(tasks, report, [] { return false; }));
  EXPECT_EQ(outcomes, tasks.size());
  // Later configurations and runs do without it.
  EXPECT_TRUE(crew->configure("die_on 1;"));
  EXPECT_FALSE(crew->ranks().at(2).lost);
  crew->shutdown();
}

}  // namespace
}  // namespace qsweep::testing
