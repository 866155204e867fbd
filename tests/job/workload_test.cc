#include "sweep/job/workload.h"

#include <limits>

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

JobConfig demo(const std::vector<std::string>& overrides = {}) {
  return load_job(QSWEEP_DEMO_JOB, overrides);
}

TEST(CutTest, runs_cover_everything_once_also_at_the_largest_size) {
  EXPECT_EQ(cut(5, 2), (std::vector<Range>{{0, 2}, {2, 4}, {4, 5}}));
  EXPECT_EQ(cut(4, 2), (std::vector<Range>{{0, 2}, {2, 4}}));
  EXPECT_TRUE(cut(0, 2).empty());
  EXPECT_EQ(cut(3, std::numeric_limits<std::int64_t>::max()), (std::vector<Range>{{0, 3}}));
}

TEST(EvaluationScopeTest, the_last_shard_may_be_short) {
  const EvaluationScope scope{.images = 50, .shard_images = 20, .scorer = {}};
  EXPECT_EQ(scope.shards().size(), 3u);
  EXPECT_EQ(scope.shard(ShardId(2)), (Range{40, 50}));
  EXPECT_THROW((void)scope.shard(ShardId(3)), Error);
  const EvaluationScope whole{
      .images = 50, .shard_images = std::numeric_limits<std::int64_t>::max(), .scorer = {}};
  EXPECT_EQ(whole.shards().size(), 1u);
  EXPECT_EQ(whole.shard(ShardId(0)), (Range{0, 50}));
}

TEST(WorkloadTest, single_layer_runs_may_have_fewer_images) {
  const auto all = open_workload(demo());
  EXPECT_EQ(all->probing.images, all->all.images);
  const auto fewer = open_workload(demo({"sensitivity.images=130"}));
  EXPECT_EQ(fewer->probing.images, 130);
  EXPECT_EQ(fewer->all.images, all->all.images);
  EXPECT_EQ(open_workload(demo({"sensitivity.images=99999"}))->probing.images, all->all.images);
}

TEST(WorkloadTest, problems_of_independent_inputs_come_together) {
  JobConfig job = demo({"model=/none/such.onnx"});
  job.families.clear();
  try {
    (void)open_workload(job);
    FAIL() << "opened";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::not_found);
  }
}

TEST(WorkloadShelfTest, holds_a_workload_while_somebody_has_it) {
  WorkloadShelf shelf;
  EXPECT_EQ(shelf.find("a"), nullptr);
  auto workload = open_workload(demo());
  shelf.put("a", workload);
  EXPECT_EQ(shelf.find("a"), workload);
  EXPECT_EQ(shelf.find("b"), nullptr);
  workload.reset();
  EXPECT_EQ(shelf.find("a"), nullptr);
}

TEST(CompiledJobTest, families_and_spaces_are_indices) {
  const auto w = open_workload(
      demo({"sweep.families=[{rest: W4A8, keep: W8A8, k: [0, 99]}]",
            "sweep.search={method: exhaustive, precisions: [W8A8, W8A8, W4A8], layers: ['@first']}",
            "sweep.schemes=['*=W4A16']"}));
  const CompiledJob& plan = w->plan;
  ASSERT_EQ(plan.families.size(), 1u);
  EXPECT_EQ(plan.precisions.at(plan.families[0].rest).name, "W4A8");
  ASSERT_TRUE(plan.space.has_value());
  EXPECT_EQ(plan.space->choices.size(), 2u) << "a precision named twice is one choice";
  EXPECT_EQ(plan.space->layers, std::vector{LayerId(0)});
  ASSERT_EQ(plan.listed.size(), 1u);
  EXPECT_EQ(plan.precisions.at(plan.listed[0].precision.at(3)).name, "W4A16");
  ASSERT_FALSE(plan.warnings.empty());
  EXPECT_NE(plan.warnings[0].find("keeps 99 layers"), std::string::npos) << plan.warnings[0];
}

TEST(CompiledJobTest, what_only_the_model_shows_is_refused_before_any_work) {
  const auto refusal = [](const std::string& override) {
    try {
      (void)open_workload(demo({override}));
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(refusal("latency={roofline: nosuch}").find("nosuch"), std::string::npos);
  EXPECT_NE(refusal("sweep.schemes=['nolayer=W8A8']").find("nolayer"), std::string::npos);
  EXPECT_NE(refusal("sweep.search={method: exhaustive, precisions: [W8A8, W4A8, W4A16, FP16], "
                    "budget: {schemes: 1000}}")
                .find("more than 1000"),
            std::string::npos);
}

}  // namespace
}  // namespace qsweep
