#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "src/results/views.h"

#include "io/report/detail/csv.h"
#include "io/report/detail/json.h"
#include "io/report/report.h"

#include "tests/io/report/concluded.h"

namespace qsweep {
namespace {

/// Compares with tests/golden/NAME; with QSWEEP_UPDATE_GOLDEN set, writes it instead and fails, so
/// that an update is never mistaken for a pass.
void expect_golden(const std::string& name, const std::string& text) {
  const char* source = std::getenv("QSWEEP_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run through ctest, or set QSWEEP_SOURCE_DIR";
  const std::filesystem::path path = std::filesystem::path(source) / "tests" / "golden" / name;
  if (std::getenv("QSWEEP_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    FAIL() << "updated " << path;
  }
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file.good()) << "no golden file " << path;
  const std::string expected((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
  EXPECT_EQ(text, expected) << "set QSWEEP_UPDATE_GOLDEN=1 to write " << name;
}

TEST(ReportGoldenTest, sensitivity_markdown) {
  expect_golden("layer-sensitivity-report.md",
                render_sensitivity_markdown(the_run(), its_conclusions()));
}
TEST(ReportGoldenTest, sensitivity_json) {
  expect_golden("layer-sensitivity-report.json",
                render_sensitivity_json(the_run(), its_conclusions()));
}
TEST(ReportGoldenTest, sweep_index_csv) {
  expect_golden("sweep_index.csv", render_sweep_index_csv(small_run()));
}
TEST(ReportGoldenTest, pareto_csv) {
  expect_golden("pareto.csv", render_pareto_csv(small_run()));
}
TEST(ReportGoldenTest, pareto_json) {
  expect_golden("pareto.json", render_pareto_json(small_run()));
}
TEST(ReportGoldenTest, tradeoff_csv) {
  expect_golden("tradeoff.csv", render_tradeoff_csv(small_run()));
}
TEST(ReportGoldenTest, latency_csv) {
  expect_golden("latency.csv", render_latency_csv(small_run()));
}
TEST(ReportGoldenTest, decision_json) {
  expect_golden("decision.json", render_decision_json(the_run(), its_conclusions()));
}
TEST(ReportGoldenTest, manifest_json) {
  expect_golden("manifest.json", render_manifest_json(the_run(), its_conclusions()));
}
TEST(ReportGoldenTest, results_json) {
  expect_golden("results.json", render_results_json(the_run(), its_conclusions()));
}
TEST(ReportGoldenTest, front_table) {
  expect_golden("front_table.txt", render_front_table(small_run()));
}

TEST(ReportTest, front_without_latency_is_size_against_metric_and_says_so) {
  RunResults run = small_run();
  run.latency_source.clear();
  EXPECT_EQ(view::cost_axis(run), view::CostAxis::size);
  const std::string table = render_front_table(run);
  EXPECT_EQ(table.find("latency ms"), std::string::npos) << table;
  EXPECT_NE(table.find("latency: none known, so the front is size against metric"),
            std::string::npos);
  EXPECT_EQ(view::front(run).front()->id, "333333333333");
  EXPECT_EQ(view::front(run).back()->id, "000000000000");
}

TEST(ReportTest, a_sensitivity_base_is_named_and_is_what_drops_are_relative_to) {
  RunResults run = small_run();
  run.sensitivity_base = run.evaluations.back();
  run.sensitivity_base->name = "W8A8";
  run.sensitivity_base->metric = 0.31;
  run.sensitivity_base->drop = 0.59;
  const std::string page = render_sensitivity_markdown(run, conclude(run));
  for (const char* text :
       {"Only this layer at the precision, everything else at W8A8; most sensitive first. Drops "
        "are Top-1 points lost against W8A8 on every layer with their 95 % intervals",
        "- Sensitivity base: W8A8 on every layer, Top-1 31.00 %, +59.00 points ",
        "conv1: degradation=+0.0310 (+10.0%)",
        "This layer at W8A8, everything else at the precision; largest score first: keeping the "
        "layers at the bottom at W8A8 helps most.",
        "Of single layers changed from W8A8 on every layer."}) {
    EXPECT_NE(page.find(text), std::string::npos) << text << "\n" << page;
  }
  EXPECT_EQ(page.find("else float"), std::string::npos);
  EXPECT_EQ(page.find("everything else quantized"), std::string::npos);
  const auto json = report::Json::parse(render_sensitivity_json(run, conclude(run)));
  EXPECT_EQ(json["run_config"]["sensitivity_base"]["name"], "W8A8");
  EXPECT_EQ(json["run_config"]["sensitivity_base"]["drop"], 0.59);
  for (const auto& row : json["layer_sensitivity"]) {
    EXPECT_EQ(row["base"], "W8A8");
    if (row["layer"] == "conv1" && row["precision"] == "W4A8") {
      EXPECT_NEAR(row["relative"].get<double>(), 10.0, 1e-12);
    }
  }
  EXPECT_NE(render_html(run, conclude(run)).find("\"sensitivity_base\":{"), std::string::npos);
  EXPECT_EQ(render_sensitivity_json(the_run(), its_conclusions()).find("base\""),
            std::string::npos);
}

TEST(ReportTest, a_scheme_with_the_baselines_id_is_listed_once) {
  RunResults run = small_run();
  run.evaluations.push_back(run.baseline);
  EXPECT_EQ(render_sweep_index_csv(run), render_sweep_index_csv(small_run()));
  EXPECT_EQ(render_pareto_csv(run), render_pareto_csv(small_run()));
}

TEST(ReportTest, ranks_a_layer_that_gave_nan_first_and_keeps_ties_in_order) {
  RunResults run = small_run();
  EXPECT_EQ(view::ranked(run, "only", "W4A8").front()->layer, "conv2|</script>");
  for (auto& row : run.sensitivity) {
    row.kl = 1;
    row.nonfinite = false;
  }
  const auto rows = view::ranked(run, "only", "W8A8");
  EXPECT_EQ(rows[0]->layer, "conv1");
  EXPECT_EQ(rows[2]->layer, "fc");
}

TEST(ReportTest, relative_degradation_of_a_zero_baseline_is_absent) {
  RunResults run = small_run();
  run.baseline.metric = 0;
  EXPECT_FALSE(view::relative_percent(0.1, 0).has_value());
  EXPECT_NE(render_sensitivity_markdown(run, conclude(run))
                .find("conv1: degradation=+0.0012 (baseline is 0)"),
            std::string::npos);
  EXPECT_NE(render_sensitivity_json(run, conclude(run)).find("\"relative\": null"),
            std::string::npos);
}

TEST(CsvTest, quotes_what_rfc_4180_says) {
  report::Csv csv({"a", "b"});
  csv.row({"plain", "x,y"});
  csv.row({"say \"hi\"", "two\nlines"});
  csv.row({"", "cr\r"});
  EXPECT_EQ(csv.text(), "a,b\nplain,\"x,y\"\n\"say \"\"hi\"\"\",\"two\nlines\"\n,\"cr\r\"\n");
}

TEST(CsvTest, numbers_read_back_and_non_numbers_are_empty) {
  EXPECT_EQ(report::number(0.1), "0.1");
  EXPECT_EQ(std::stod(report::number(1.0 / 3.0)), 1.0 / 3.0);
  EXPECT_EQ(report::number(std::numeric_limits<double>::quiet_NaN()), "");
  EXPECT_EQ(report::number(-std::numeric_limits<double>::infinity()), "");
}

TEST(JsonTest, non_numbers_are_null_and_bad_utf8_is_replaced) {
  const report::Json json = {{"x", std::numeric_limits<double>::infinity()}, {"name", "a\xff"}};
  EXPECT_EQ(report::to_text(json), "{\n  \"x\": null,\n  \"name\": \"a\xEF\xBF\xBD\"\n}\n");
}

TEST(ReportTest, the_cost_axis_is_the_first_cost_of_the_objectives_that_is_known) {
  RunResults run = small_run();
  using view::CostAxis;
  for (const auto& [objectives, axis] : std::vector<std::pair<std::vector<std::string>, CostAxis>>{
           {{"latency", "accuracy"}, CostAxis::latency},
           {{"size", "accuracy"}, CostAxis::size},
           {{"accuracy", "size"}, CostAxis::size},
           {{"latency", "size", "accuracy"}, CostAxis::latency},
           {{"size", "latency", "accuracy"}, CostAxis::size},
           {{"accuracy"}, CostAxis::latency}}) {
    run.objectives = objectives;
    EXPECT_EQ(view::cost_axis(run), axis) << objectives.front();
  }
  run.latency_source.clear();
  run.objectives = {"latency", "accuracy"};
  EXPECT_EQ(view::cost_axis(run), CostAxis::size);
}

TEST(ReportTest, what_must_be_read_first_is_at_the_top_of_every_report) {
  RunResults run = small_run();
  run.stages = {{"sensitivity", 1200, 1200}, {"sweep", 59049, 1234}};
  run.alarms = {{RunResults::Alarm::About::float_model, "The <float> model looks wrong."}};
  const Conclusions conclusions = conclude(run);
  const std::string incomplete =
      "This run is not complete: 1,234 of 59,049 schemes are evaluated; rerun `qsweep run` with "
      "the same job and --out to resume.";
  EXPECT_EQ(render_notices(run), incomplete + "\nThe <float> model looks wrong.\n\n");
  EXPECT_EQ(render_notices(small_run()), "");
  EXPECT_TRUE(render_front_table(run).starts_with(render_notices(run)));
  EXPECT_TRUE(render_sensitivity_markdown(run, conclusions)
                  .starts_with("# Layer sensitivity: tiny\n\n> **" + incomplete +
                               "**\n\n> **The <float> model looks wrong.**\n\n"));
  for (const std::string& text :
       {render_decision_json(run, conclusions), render_pareto_json(run),
        render_results_json(run, conclusions), render_sensitivity_json(run, conclusions),
        render_manifest_json(run, conclusions)}) {
    const auto json = report::Json::parse(text);
    EXPECT_EQ(json.begin().key(), "complete") << text.substr(0, 200);
    EXPECT_EQ(json["complete"], false);
    EXPECT_EQ(json["incomplete"], incomplete);
    EXPECT_EQ(json["alarms"][0], "The <float> model looks wrong.");
  }
  const std::string page = render_html(run, conclusions);
  const std::string body = page.substr(page.find("<body"));
  EXPECT_NE(body.find("<p class=\"notice\" role=\"alert\">" + incomplete), std::string::npos);
  EXPECT_NE(body.find("The &lt;float&gt; model looks wrong."), std::string::npos);
  EXPECT_EQ(render_html(the_run(), its_conclusions()).find("role=\"alert\""), std::string::npos);
}

TEST(ReportTest, an_unfinished_stage_is_named_in_its_own_words) {
  RunResults run;
  run.stages = {{"calibration", 8, 3}};
  EXPECT_EQ(
      view::completeness_text(run),
      "This run is not complete: stage 'calibration' is not finished; rerun `qsweep run` with "
      "the same job and --out to resume.");
  run.stages = {{"calibration", 8, 8}, {"sensitivity", 40, 39}, {"sweep", 0, 0}};
  EXPECT_EQ(view::completeness_text(run),
            "This run is not complete: 39 of 40 single-layer runs are evaluated; rerun `qsweep "
            "run` with the same job and --out to resume.");
  run.stages[1].done = 40;
  EXPECT_EQ(view::completeness_text(run), "");
}

}  // namespace
}  // namespace qsweep
