#include <algorithm>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "sweep/stages/latency.h"
#include "sweep/stages/latency_csv.h"
#include "sweep/stages/stage.h"
#include "sweep/work/handler.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

JobConfig demo(const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> all = {
      "data.evaluation.images=50",     "data.evaluation.shard=20",
      "data.calibration.images=16",    "latency={source: roofline, device: t4}",
      "sensitivity.precisions=[W4A8]", "sweep.families=[{rest: W4A8, keep: W8A8, k: [0, 2]}]"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_job(QSWEEP_DEMO_JOB, all);
}

/// One rank without a coordinator: takes pieces one by one.
class Alone {
 public:
  explicit Alone(std::shared_ptr<const Workload> workload)
      : w_(std::move(workload)), handler_(1, w_, "run") {}

  /// @param most pieces to compute, over all stages
  Findings run(const Stages& stages, std::size_t most = SIZE_MAX) {
    Findings findings;
    Progress silent;
    for (const auto& stage : stages) {
      stage->prepare(findings, records, silent);
      for (const Piece& piece : stage->missing(findings, records, 1)) {
        if (pieces == most) return findings;
        ++pieces;
        (void)piece.keep(handler_.run(piece.task.payload), records);
      }
      stage->read(records, findings);
      if (const auto state = stage->state(findings)) handler_.configure(*state);
      stage->conclude(findings, records);
    }
    return findings;
  }

  RecordStore records;
  std::size_t pieces = 0;

 private:
  std::shared_ptr<const Workload> w_;
  JobHandler handler_;
};

std::vector<StageId> ids(const Stages& stages) {
  std::vector<StageId> ids;
  for (const auto& stage : stages) ids.push_back(stage->id());
  return ids;
}

using Ids = std::vector<StageId>;

TEST(StagesTest, a_job_has_the_stages_that_it_asks_for) {
  const auto all = open_workload(demo());
  EXPECT_EQ(ids(stages_of(*all, {.activations = "x"})),
            (Ids{StageId::ranges, StageId::histograms, StageId::baseline, StageId::sensitivity,
                 StageId::sweep, StageId::latency, StageId::activations}));
  EXPECT_EQ(ids(stages_of(*all, {}, StageId::baseline)),
            (Ids{StageId::ranges, StageId::histograms, StageId::baseline}));
  const auto adapted =
      open_workload(demo({"quantization.algorithm=awq_clip", "quantization.calibrator=minmax"}));
  EXPECT_EQ(ids(stages_of(*adapted, {}, StageId::adaptation)),
            (Ids{StageId::ranges, StageId::histograms, StageId::inputs, StageId::adaptation}));
  const auto plain = open_workload(
      demo({"sensitivity.precisions=[]", "sweep.families=[]", "latency.source=none"}));
  EXPECT_EQ(ids(stages_of(*plain, {})), (Ids{StageId::baseline, StageId::sweep, StageId::latency}))
      << "a table may have been imported";
}

TEST(StagesTest, a_finished_run_lacks_nothing_and_reads_as_it_was) {
  const auto w = open_workload(demo());
  Alone rank(w);
  const Stages stages = stages_of(*w, {});
  const Findings found = rank.run(stages);
  EXPECT_TRUE(found.is_complete());
  Findings read;
  for (const auto& stage : stages) {
    EXPECT_TRUE(stage->missing(read, rank.records, 1).empty()) << name_of(stage->id());
    stage->read(rank.records, read);
  }
  EXPECT_EQ(read.stats, found.stats);
  ASSERT_EQ(read.scheme_results.size(), found.scheme_results.size());
  for (std::size_t i = 0; i < read.scheme_results.size(); ++i)
    EXPECT_EQ(read.scheme_results[i].mean_kl, found.scheme_results[i].mean_kl);
}

TEST(StagesTest, what_was_stopped_is_read_and_only_the_rest_is_missing) {
  const auto w = open_workload(demo());
  Alone whole(w);
  const Stages stages = stages_of(*w, {});
  const Findings expected = whole.run(stages);
  for (const std::size_t most : {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{5}}) {
    SCOPED_TRACE(most);
    Alone rank(w);
    (void)rank.run(stages, most);
    const Findings part = read_stages(stages, rank.records);
    EXPECT_FALSE(part.is_complete());
    EXPECT_EQ(part.is_ranked, false);
    const Findings resumed = rank.run(stages);
    EXPECT_TRUE(resumed.is_complete());
    EXPECT_EQ(rank.pieces, whole.pieces) << "nothing was computed twice";
    for (std::size_t i = 0; i < expected.case_results.size(); ++i)
      EXPECT_EQ(resumed.case_results[i].mean_kl, expected.case_results[i].mean_kl);
  }
}

TEST(StagesTest, single_layer_runs_on_fewer_images_share_whole_shards) {
  const auto w = open_workload(demo({"sensitivity.images=30"}));
  Alone rank(w);
  const Findings found = rank.run(stages_of(*w, {}, StageId::sensitivity));
  ASSERT_TRUE(found.is_ranked);
  EXPECT_EQ(found.base.verdict->summary().images, 30);
  EXPECT_EQ(found.case_results.front().verdict->summary().images, 30);
  EXPECT_EQ(found.baseline.verdict->summary().images, 50);
  // The float model's first shard is that of all images; its second is cut short.
  std::map<std::string, int> of_float;
  const std::string id = w->uniform(0).id;
  for (const auto& [key, bytes] : rank.records.all(RecordKind::evaluation)) {
    if (key.starts_with(id)) ++of_float[key.substr(id.size())];
  }
  EXPECT_EQ(of_float, (std::map<std::string, int>{{"/0", 1}, {"/1", 1}, {"/1:10", 1}, {"/2", 1}}));
}

TEST(StagesTest, a_scheme_that_fails_is_taken_apart_and_fails_alone) {
  const auto w = open_workload(demo({"sensitivity.precisions=[]"}));
  Alone rank(w);
  Findings findings = rank.run(stages_of(*w, {}, StageId::baseline));
  const Stages stages = stages_of(*w, {}, StageId::sweep);
  const Stage& sweep = *stages.back();
  std::vector<Piece> pieces = sweep.missing(findings, rank.records, 1);
  ASSERT_FALSE(pieces.empty());
  const std::vector<Piece> alone = pieces.front().fail("broken", rank.records);
  ASSERT_GT(alone.size(), 1u);
  EXPECT_TRUE(alone.front().fail("still broken", rank.records).empty());
  sweep.read(rank.records, findings);
  const auto failed = std::ranges::count(findings.scheme_results, SchemeResult::State::failed,
                                         &SchemeResult::state);
  EXPECT_EQ(failed, 1);
  const auto at =
      std::ranges::find(findings.scheme_results, SchemeResult::State::failed, &SchemeResult::state);
  EXPECT_EQ(at->reason, "still broken");
  EXPECT_FALSE(sweep.missing(findings, rank.records, 1).empty()) << "a new start tries it again";
}

TEST(StagesTest, what_can_be_known_wrong_is_found_before_any_work) {
  const auto problem = [](const std::vector<std::string>& overrides) {
    const auto w = open_workload(demo(overrides));
    try {
      check_stages(stages_of(*w, {.activations = "x"}));
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(problem({}), "");
  EXPECT_NE(problem({"activations.layers=[nolayer]"}).find("nolayer"), std::string::npos);
  EXPECT_NE(problem({"latency={source: table, table: /none/such.csv}"}).find("such.csv"),
            std::string::npos);
}

TEST(StagesTest, a_latency_table_is_complete_before_any_rank_computes) {
  const testing::TempDir folder;
  const std::shared_ptr<const Workload> whole = open_workload(demo({}));
  std::vector<LayerLatency> rows;
  for (const Precision& p : whole->plan.precisions.all()) {
    for (const Layer& layer : whole->layers())
      rows.push_back({layer.name, p.name, 1, "table", "", {}});
  }
  const auto problem = [&](std::vector<LayerLatency> of) {
    const std::filesystem::path file = folder.path() / "t.csv";
    std::ofstream(file) << to_csv(LatencyTable({"d"}, 0.1, std::move(of)));
    const std::shared_ptr<const Workload> w =
        open_workload(demo({"latency={source: table, table: " + file.string() + "}"}));
    return testing::error_text<Error>([&] { check_stages(stages_of(*w, {})); });
  };
  EXPECT_EQ(problem(rows), "");
  EXPECT_NE(problem({}).find("has no rows, so schemes with every layer at FP32, every layer at "),
            std::string::npos)
      << problem({});
  std::vector<LayerLatency> gap = rows;
  const std::string lost = gap.front().layer;
  gap.front().layer = "another";
  const std::string said = problem(gap);
  EXPECT_NE(said.find("lacks rows, so schemes with '" + lost + "' at FP32 have no latency"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("The model has no layer 'another'"), std::string::npos) << said;
}

}  // namespace
}  // namespace qsweep
