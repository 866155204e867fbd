#include "sweep/work/handler.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "sweep/work/records.h"
#include "sweep/work/tasks.h"

namespace qsweep {
namespace {

JobConfig demo(const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> all = {"data.evaluation.images=40", "data.evaluation.shard=20",
                                  "data.calibration.images=16", "sensitivity.precisions=[]",
                                  "sweep.families=[]"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_job(QSWEEP_DEMO_JOB, all);
}

Bytes evaluate_float(const Workload& w) {
  return EvaluateTask{.images = w.all.shard(ShardId(0)),
                      .schemes = {Assignment(w.layers().size(), 0)}}
      .encode();
}

class HandlerTest : public ::testing::Test {
 protected:
  WorkloadShelf shelf_;
  std::shared_ptr<const Workload> own_ = open_workload(demo());
  JobHandler worker_{1, 1, false, shelf_};
};

TEST_F(HandlerTest, a_rank_computes_what_rank_0_computes) {
  worker_.configure(JobHandler::open_job_message(*own_, "run", ""));
  JobHandler first(1, own_, "run");
  const auto result = [&](JobHandler& handler) {
    const EvaluateResult r =
        EvaluateResult::decode(handler.run(evaluate_float(*own_)), "evaluation");
    ShardResult shard = decode_shard_result(r.records.at(0), "record");
    shard.seconds = 0.0;
    return encode(shard);
  };
  EXPECT_EQ(result(worker_), result(first));
}

TEST_F(HandlerTest, a_workload_on_the_shelf_is_shared) {
  shelf_.put("run", own_);
  worker_.configure(JobHandler::open_job_message(*own_, "run", ""));
  EXPECT_EQ(worker_.workload(), own_.get());
}

TEST_F(HandlerTest, another_job_is_refused_by_name_and_leaves_nothing_behind) {
  const auto other = open_workload(demo({"seed=43"}));
  shelf_.put("run", other);  // as a rank would see whose files differ
  try {
    worker_.configure(JobHandler::open_job_message(*own_, "run", ""));
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::mismatch);
    EXPECT_NE(std::string(e.what()).find("seed was 42, is 43"), std::string::npos) << e.what();
  }
  EXPECT_EQ(worker_.workload(), nullptr);
  EXPECT_THROW((void)worker_.run(evaluate_float(*own_)), Error) << "it has no job";
  shelf_.put("run", own_);
  worker_.configure(JobHandler::open_job_message(*own_, "run", ""));
  EXPECT_NO_THROW((void)worker_.run(evaluate_float(*own_)));
}

TEST_F(HandlerTest, a_cut_message_changes_nothing) {
  worker_.configure(JobHandler::open_job_message(*own_, "run", ""));
  const Bytes before = worker_.run(evaluate_float(*own_));
  TensorStats stats;
  stats.add_range(std::vector<float>{-1.0f, 1.0f});
  const Bytes ranges = JobHandler::ranges_message({stats, stats});
  for (std::size_t size = 0; size < ranges.size(); size += 7)
    EXPECT_THROW(worker_.configure(ByteView(ranges).first(size)), Error) << size;
  EXPECT_EQ(worker_.workload()->layers().size(), own_->layers().size());
  EXPECT_EQ(worker_.run(evaluate_float(*own_)).size(), before.size());
}

TEST_F(HandlerTest, images_that_are_not_finite_are_named_in_calibration) {
  const auto broken = open_workload(demo({"input.scale=1e-30", "input.std=[1e-30, 0.25, 0.25]"}));
  JobHandler handler(1, broken, "run");
  try {
    (void)handler.run(CalibrateTask{.pass = CalibrationPass::range, .images = {0, 4}}.encode());
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("(image "), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace qsweep
