#include "sweep/run/driver.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "src/metrics/statistics.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::TempDir;
using Evaluation = RunResults::Evaluation;

constexpr std::int64_t kImages = 100;

JobConfig demo(std::vector<std::string> overrides) {
  overrides.insert(overrides.end(), {"latency.source=none", "activations.images=0",
                                     "data.calibration.images=32", "data.evaluation.shard=50",
                                     "data.evaluation.images=" + std::to_string(kImages)});
  return load_job(QSWEEP_DEMO_JOB, overrides);
}

RunResults run(const JobConfig& job,
               const std::filesystem::path& directory,
               StageId last = StageId::sweep) {
  Progress silent;
  const std::atomic<bool> stop{false};
  WorkloadShelf shelf;
  const auto transports = make_thread_transports(1);
  Session session{*transports.front(), stop, shelf};
  return run_job(job, {.directory = directory, .last = last}, session, silent).results;
}

/// W8A8 is what will be deployed; W4A8 is tried on its layers.
JobConfig on_w8a8() {
  return demo({"sensitivity={precisions: [W8A8, W4A8], modes: [only, all_but], base: W8A8}",
               "sweep.families=[{rest: W4A8, keep: W8A8, k: every}]"});
}

std::vector<const Evaluation*> of_kind(const RunResults& results, const std::string& kind) {
  std::vector<const Evaluation*> found;
  for (const Evaluation& e : results.evaluations) {
    if (e.kind == kind) found.push_back(&e);
  }
  return found;
}

/// How many schemes the tasks of a stage hold, over all shards.
std::int64_t evaluated(const RunResults& results, const std::string& stage) {
  std::int64_t count = 0;
  for (const auto& task : results.ledger.tasks) {
    if (task.stage == stage) count += std::stoll(task.key);
  }
  return count;
}

TEST(SensitivityBaseTest, cases_are_the_base_but_for_one_layer_and_drops_are_against_it) {
  const TempDir folder;
  const RunResults found = run(on_w8a8(), folder.path() / "base");
  const std::size_t layers = found.layers.size();
  ASSERT_EQ(found.precisions, (std::vector<std::string>{"FP32", "W8A8", "W4A8"}));
  ASSERT_EQ(found.sensitivity.size(), 2 * layers) << "none at W8A8: it is the base";
  ASSERT_TRUE(found.sensitivity_base.has_value());
  EXPECT_EQ(found.sensitivity_base->precision, std::vector<std::uint8_t>(layers, 1));

  // The same schemes, written out and evaluated by a sweep that knows nothing of sensitivity.
  std::string list = "'*=W8A8'";
  std::vector<std::string> texts;
  for (const auto& [rest, own] : {std::pair("W8A8", "W4A8"), std::pair("W4A8", "W8A8")}) {
    for (const RunResults::Layer& layer : found.layers)
      texts.push_back(std::string("*=") + rest + "; " + layer.name + "=" + own);
  }
  for (const std::string& text : texts) list += ", '" + text + "'";
  const RunResults listed =
      run(demo({"sensitivity.precisions=[]", "sweep.families=[]", "sweep.schemes=[" + list + "]"}),
          folder.path() / "listed");
  std::map<std::string, const Evaluation*> by_text;
  for (const Evaluation* e : of_kind(listed, "scheme")) by_text[e->text] = e;

  const JobConfig job = on_w8a8();
  const auto data = open_dataset(data_spec(job.evaluation), job.input);
  const auto is_right = [&](const Evaluation& e, std::size_t i) {
    return e.predictions.at(i) == data->label(listed.evaluation.sample_ids.at(i));
  };
  const Evaluation& base = *by_text.at("*=W8A8");
  const auto cases = of_kind(found, "sensitivity");
  ASSERT_EQ(cases.size(), texts.size());
  std::int64_t changed = 0;
  for (std::size_t c = 0; c < cases.size(); ++c) {
    SCOPED_TRACE(texts[c]);
    const RunResults::Sensitivity& row = found.sensitivity[c];
    const bool only = c < layers;
    std::vector<std::uint8_t> assignment(layers, only ? 1 : 2);
    assignment[c % layers] = only ? 2 : 1;
    EXPECT_EQ(cases[c]->precision, assignment);
    EXPECT_EQ(row.layer, found.layers[c % layers].name);
    EXPECT_EQ(row.mode, only ? "only" : "all_but");
    EXPECT_EQ(row.precision, "W4A8");

    const Evaluation& scheme = *by_text.at(texts[c]);
    EXPECT_EQ(row.metric, scheme.metric);
    EXPECT_EQ(row.kl, scheme.kl) << "against float";
    std::int64_t lost = 0, won = 0;
    for (std::size_t i = 0; i < kImages; ++i) {
      lost += is_right(base, i) && !is_right(scheme, i) ? 1 : 0;
      won += !is_right(base, i) && is_right(scheme, i) ? 1 : 0;
    }
    changed += lost + won;
    const Interval interval = paired_difference_interval(lost, won, kImages, job.confidence);
    EXPECT_NEAR(row.metric_drop, static_cast<double>(lost - won) / kImages, 1e-12);
    EXPECT_NEAR(row.ci_low, interval.low, 1e-12);
    EXPECT_NEAR(row.ci_high, interval.high, 1e-12);
    EXPECT_TRUE(std::isnan(row.sqnr_db) && std::isnan(row.mse) && std::isnan(row.cosine) &&
                std::isnan(row.qdq_error))
        << "errors of the layers before it would be in them";
  }
  EXPECT_GT(changed, 0) << "or nothing was compared";
}

TEST(SensitivityBaseTest, every_scheme_is_evaluated_once) {
  const TempDir folder;
  const RunResults found = run(on_w8a8(), folder.path());
  const auto layers = static_cast<std::int64_t>(found.layers.size());
  const std::int64_t shards = kImages / 50;
  EXPECT_EQ(evaluated(found, "sensitivity"), (2 * layers + 1) * shards) << "cases and the base";
  // The family's ends and neighbours of W8A8 are known: all W8A8, one layer at W4A8, one at W8A8.
  EXPECT_EQ(evaluated(found, "sweep"), (layers + 1 - 3) * shards);
}

TEST(SensitivityBaseTest, a_plan_counts_the_base) {
  const TempDir folder;
  JobConfig job = on_w8a8();
  job.families.clear();
  const RunPlan before = plan_job(job, {.directory = folder.path()});
  EXPECT_GT(before.tasks, 0);
  const RunResults found = run(job, folder.path());
  EXPECT_EQ(before.evaluations, static_cast<std::int64_t>(found.evaluations.size()));
  const RunPlan after = plan_job(job, {.directory = folder.path()});
  EXPECT_EQ(after.tasks, 0);
  EXPECT_EQ(after.work, 0.0);
}

TEST(SensitivityBaseTest, a_run_that_goes_on_with_another_base_is_that_of_a_new_one) {
  const TempDir folder;
  const std::string probed = "sensitivity={precisions: [W4A8], modes: [only], base: ";
  const std::string none = "sweep.families=[]";
  const auto rows = [&](const std::string& base, const std::string& directory) {
    std::string text;
    const RunResults found = run(demo({probed + base + "}", none}), folder.path() / directory);
    for (const auto& s : found.sensitivity)
      text += s.layer + " " + s.precision + " " + std::to_string(s.kl) + " " +
              std::to_string(s.sqnr_db) + " " + std::to_string(s.metric_drop) + "\n";
    return text;
  };
  const std::string on_float = rows("FP32", "shared");
  const std::string on_integers = rows("W8A8", "shared");
  EXPECT_NE(on_float, on_integers);
  EXPECT_EQ(on_integers, rows("W8A8", "fresh"));
  EXPECT_EQ(on_float, rows("FP32", "shared"));
  const RunResults loaded = load_results(folder.path() / "fresh");
  ASSERT_TRUE(loaded.sensitivity_base.has_value());
  EXPECT_EQ(loaded.sensitivity_base->name, "W8A8");
}

TEST(DriverTest, a_finished_run_is_loaded_whole_and_leaves_nothing_to_do) {
  for (const char* precisions : {"[]", "[W4A8]"}) {
    SCOPED_TRACE(precisions);
    const TempDir folder;
    const JobConfig job = demo({std::string("sensitivity.precisions=") + precisions,
                                "sweep.families=[{rest: W4A8, keep: W8A8, k: every}]"});
    const RunResults found = run(job, folder.path());
    const RunResults loaded = load_results(folder.path());
    ASSERT_EQ(loaded.evaluations.size(), found.evaluations.size());
    for (std::size_t i = 0; i < found.evaluations.size(); ++i) {
      EXPECT_EQ(loaded.evaluations[i].id, found.evaluations[i].id);
      EXPECT_EQ(loaded.evaluations[i].kl, found.evaluations[i].kl);
    }
    EXPECT_EQ(plan_job(job, {.directory = folder.path()}).tasks, 0);
  }
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(DriverTest, a_shorter_command_leaves_the_files_of_a_finished_run_whole) {
  const TempDir folder;
  const JobConfig job = demo(
      {"sensitivity.precisions=[W4A8]", "sweep.families=[{rest: W4A8, keep: W8A8, k: every}]"});
  const RunResults found = run(job, folder.path());
  const std::string front = contents(folder.path() / "pareto.csv");
  ASSERT_FALSE(front.empty());
  for (const StageId last : {StageId::baseline, StageId::sensitivity}) {
    const RunResults again = run(job, folder.path(), last);
    EXPECT_EQ(again.evaluations.size(), found.evaluations.size());
    EXPECT_EQ(contents(folder.path() / "pareto.csv"), front);
  }
  std::filesystem::remove(folder.path() / "sweep.h5");
  std::filesystem::remove(folder.path() / "pareto.csv");
  (void)rebuild_reports(folder.path());
  EXPECT_EQ(contents(folder.path() / "pareto.csv"), front);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "sweep.h5"));
  EXPECT_NE(contents(folder.path() / "manifest.json").find("sweep.h5"), std::string::npos);
}

TEST(DriverTest, the_ledger_survives_another_start) {
  const TempDir folder;
  const JobConfig job = demo({"sensitivity.precisions=[W4A8]", "sweep.families=[]"});
  const RunResults first = run(job, folder.path(), StageId::baseline);
  const RunResults second = run(job, folder.path());
  const RunResults third = run(job, folder.path());
  EXPECT_GT(second.ledger.tasks.size(), first.ledger.tasks.size());
  EXPECT_EQ(second.ledger.tasks.front().session, 0);
  EXPECT_EQ(second.ledger.tasks.back().session, 1);
  EXPECT_EQ(third.ledger.tasks.size(), second.ledger.tasks.size());
  EXPECT_EQ(third.ledger.work_done, second.ledger.work_done);
  EXPECT_EQ(load_results(folder.path()).ledger.tasks.size(), second.ledger.tasks.size());
}

TEST(DriverTest, a_plan_for_the_directory_of_another_job_is_refused) {
  const TempDir folder;
  (void)run(demo({"sensitivity.precisions=[]", "sweep.families=[]"}), folder.path());
  const std::string text = testing::error_text<Error>([&] {
    (void)plan_job(demo({"sensitivity.precisions=[]", "sweep.families=[]", "seed=43"}),
                   {.directory = folder.path()});
  });
  EXPECT_NE(text.find("seed was 42, is 43"), std::string::npos) << text;
}

TEST(DriverTest, the_front_is_about_the_objectives_in_their_order) {
  const TempDir folder;
  const auto with = [&](const std::string& name, const std::string& objectives) {
    const JobConfig job =
        load_job(QSWEEP_DEMO_JOB, {"latency={roofline: t4}", "activations.images=0",
                                   "data.calibration.images=32", "data.evaluation.shard=50",
                                   "data.evaluation.images=50", "objectives=" + objectives});
    return run(job, folder.path() / name, StageId::latency);
  };
  const auto dominated = [](const Evaluation& a, const Evaluation& b, auto cost) {
    return cost(b) <= cost(a) && b.metric >= a.metric && (cost(b) < cost(a) || b.metric > a.metric);
  };
  const auto size = [](const Evaluation& e) { return static_cast<double>(e.size_bytes); };
  const auto latency = [](const Evaluation& e) { return e.latency_ms; };
  const auto check = [&](const RunResults& found, auto cost) {
    const auto schemes = of_kind(found, "scheme");
    for (const Evaluation* a : schemes) {
      const bool is_dominated = std::ranges::any_of(
          schemes, [&](const Evaluation* b) { return dominated(*a, *b, cost); });
      EXPECT_FALSE(a->on_front && is_dominated) << a->text;
    }
  };
  const auto front = [&](const RunResults& found) {
    return std::ranges::count(of_kind(found, "scheme"), true, &Evaluation::on_front);
  };
  const RunResults by_size = with("size", "[size, accuracy]");
  const RunResults by_latency = with("latency", "[latency, accuracy]");
  const RunResults by_both = with("both", "[latency, size, accuracy]");
  check(by_size, size);
  check(by_latency, latency);
  EXPECT_GT(front(by_size), 0);
  EXPECT_GT(front(by_latency), 0);
  EXPECT_GE(front(by_both), std::max(front(by_size), front(by_latency)));
  EXPECT_TRUE(by_size.stages.size() > 0 && by_size.alarms.empty());
}

TEST(SensitivityBaseTest, combinations_without_sense_are_refused) {
  const auto text = [](const std::string& sensitivity) {
    return testing::error_text<Error>(
        [&] { (void)open_workload(demo({"sensitivity=" + sensitivity})); });
  };
  EXPECT_NE(text("{precisions: [W8A8], base: W8A8U}").find("nothing is left to try on a layer"),
            std::string::npos)
      << "one precision by two names";
  EXPECT_NE(text("{precisions: [FP32]}").find("FP32 is the base"), std::string::npos);
  EXPECT_NE(text("{precisions: [W4A8], base: W8A8, score: sqnr}").find("score sqnr"),
            std::string::npos);
  EXPECT_EQ(text("{precisions: [FP32, W8A8], score: sqnr}"), "");
}

}  // namespace
}  // namespace qsweep
