#include "sweep/run/crew.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "sweep/run/driver.h"

namespace qsweep {
namespace {

JobConfig demo() {
  return load_job(QSWEEP_DEMO_JOB, {"latency.source=none", "activations.images=0",
                                    "data.calibration.images=16", "data.evaluation.images=60",
                                    "data.evaluation.shard=20", "sensitivity.precisions=[W4A8]",
                                    "sweep.families=[{rest: W4A8, keep: W8A8, k: [0, 2]}]"});
}

/// `size` thread ranks; those other than 0 serve until the end.
class Threads {
 public:
  explicit Threads(int size) : transports_(make_thread_transports(size)) {
    for (int r = 1; r < size; ++r) {
      ranks_.emplace_back([this, r] {
        while (serve_job(*transports_[static_cast<std::size_t>(r)], shelf) == Parting::released) {
        }
      });
    }
  }
  ~Threads() { dismiss(*transports_.front()); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  Session session() { return {*transports_.front(), stop, shelf}; }

  std::atomic<bool> stop{false};
  WorkloadShelf shelf;

 private:
  std::vector<std::unique_ptr<Transport>> transports_;
  std::vector<std::jthread> ranks_;
};

Findings run(int ranks, RecordStore& records) {
  Threads threads(ranks);
  Session session = threads.session();
  Progress silent;
  const OpenedRun opened = open_run(demo(), WorkloadUse::evaluate, session);
  Crew crew(session, opened, records, silent);
  return run_stages(crew, stages_of(*opened.workload, {}));
}

TEST(CrewTest, thread_ranks_share_a_workload_and_give_the_bits_of_one) {
  RecordStore alone, together;
  const Findings one = run(1, alone);
  const Findings three = run(3, together);
  ASSERT_EQ(one.scheme_results.size(), three.scheme_results.size());
  for (std::size_t i = 0; i < one.scheme_results.size(); ++i) {
    EXPECT_EQ(one.scheme_results[i].mean_kl, three.scheme_results[i].mean_kl);
    EXPECT_EQ(one.scheme_results[i].verdict->metric(), three.scheme_results[i].verdict->metric());
  }
  EXPECT_EQ(one.stats, three.stats);
  EXPECT_EQ(ledger_of(together).ranks, 3);
}

TEST(CrewTest, stopped_at_once_it_leaves_records_from_which_it_resumes) {
  RecordStore records;
  {
    Threads threads(1);
    threads.stop = true;
    Session session = threads.session();
    Progress silent;
    const OpenedRun opened = open_run(demo(), WorkloadUse::evaluate, session);
    EXPECT_THROW(
        {
          Crew crew(session, opened, records, silent);
          (void)run_stages(crew, stages_of(*opened.workload, {}));
        },
        Stopped);
  }
  const Findings resumed = run(1, records);
  EXPECT_TRUE(resumed.is_complete());
  const RunResults::Ledger ledger = ledger_of(records);
  EXPECT_TRUE(std::ranges::all_of(ledger.tasks, [](const auto& t) { return t.seconds >= 0.0; }));
  EXPECT_EQ(ledger.tasks.back().session, 1) << "the first start had a number too";
}

TEST(CrewTest, the_ledger_adds_up_over_sessions) {
  RecordStore records;
  records.put(RecordKind::task_time, "000000/00000000",
              encode(RunResults::TaskTime{
                  .stage = "sweep", .key = {}, .work = 1.0, .work_without_reuse = 2.0}));
  records.put(
      RecordKind::task_time, "000001/00000000",
      encode(RunResults::TaskTime{
          .stage = "sweep", .key = {}, .work = 10.0, .work_without_reuse = 20.0, .session = 1}));
  records.put(
      RecordKind::session, "000000",
      encode(SessionRecord{.ranks = 1, .stage_seconds = {{"sweep", 1.5}}, .peak_bytes = 9}));
  records.put(
      RecordKind::session, "000001",
      encode(SessionRecord{
          .ranks = 4, .stage_seconds = {{"sweep", 2.0}, {"latency", 1.0}}, .peak_bytes = 5}));
  const RunResults::Ledger ledger = ledger_of(records);
  EXPECT_EQ(ledger.work_done, 11.0);
  EXPECT_EQ(ledger.work_without_reuse, 22.0);
  EXPECT_EQ(ledger.ranks, 4);
  EXPECT_EQ(ledger.peak_bytes, 9u);
  EXPECT_EQ(ledger.stage_seconds,
            (std::vector<std::pair<std::string, double>>{{"sweep", 3.5}, {"latency", 1.0}}));
}

}  // namespace
}  // namespace qsweep
