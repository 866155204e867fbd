#include "sweep/plan/explanation.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "io/report/report.h"

#include "sweep/plan/conclusions.h"

namespace qsweep {
namespace {

/// Four layers at W8A8, KL 0.3, 0.61, 0.06 and 0.03; the second reads a tensor whose outliers set
/// the step, at INT4 with its input in half precision it costs a hundredth.
RunResults collapsed_run() {
  RunResults run;
  run.metric = "map";
  run.score = "kl";
  run.calibrator = "minmax";
  run.precisions = {"FP32", "W8A8", "W4A16", "FP16"};
  run.baseline = {.kind = "scheme", .id = "float", .precision = {0, 0, 0, 0}, .metric = 0.342};
  const double kl[] = {0.3, 0.61, 0.06, 0.03};
  for (int i = 0; i < 4; ++i) {
    const std::string name = "conv" + std::to_string(i + 1);
    run.layers.push_back({.name = name,
                          .op = "Conv",
                          .group = i < 2 ? "stem" : "body",
                          .depthwise = i == 1,
                          .input = "x" + std::to_string(i)});
    run.sensitivity.push_back({.layer = name,
                               .precision = "W8A8",
                               .mode = "only",
                               .kl = kl[i],
                               .sqnr_db = i == 1 ? 17.5 : 30,
                               .qdq_error = i == 1 ? 0.2 : 0.01,
                               .output_mse = kl[i] * kl[i],
                               .metric_drop = kl[i] / 3});
    run.sensitivity.push_back({.layer = name, .precision = "W4A16", .mode = "only", .kl = 0.0061});
  }
  run.layers[1].weight_channel_ratio = 36.5;
  RunResults::Calibration stats{.tensor = "x1", .layer = "conv2", .min = -1, .max = 99};
  stats.ranges.choices = {
      {.kind = CalibratorKind::minmax, .low = -1, .high = 99, .codes_used = 0.6, .error = 0.02},
      {.kind = CalibratorKind::mse, .low = -1, .high = 19, .codes_used = 1, .error = 0.002}};
  stats.ranges.central_low = -1;
  stats.ranges.central_high = 9;
  stats.ranges.best = CalibratorKind::mse;
  run.calibration_stats = {stats};
  const auto scheme = [&](const char* name, std::vector<std::uint8_t> precision, double metric,
                          double score) {
    const double drop = 0.342 - metric;
    run.evaluations.push_back({.kind = "scheme",
                               .id = name,
                               .name = name,
                               .precision = std::move(precision),
                               .metric = metric,
                               .drop = drop,
                               .drop_low = drop - 0.01,
                               .drop_high = drop + 0.01,
                               .kl = score});
  };
  scheme("all", {1, 1, 1, 1}, 0.03, 2.0);
  scheme("half", {2, 2, 2, 2}, 0.34, 0.01);
  return run;
}

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(ExplanationTest, names_the_layers_that_carry_the_error) {
  const RunResults run = collapsed_run();
  const auto found = explain_losses(run);
  ASSERT_EQ(found.size(), 1U) << "W4A16 loses nothing";
  const Explanation& x = found[0];
  EXPECT_EQ(x.precision, "W8A8");
  EXPECT_EQ(x.uniform, &run.evaluations[0]);
  EXPECT_NEAR(x.total, 1.0, 1e-12);
  EXPECT_EQ(x.carriers, 2U);
  ASSERT_EQ(x.causes.size(), 3U) << "three at least are listed";
  EXPECT_EQ(x.causes[0].layer->name, "conv2");
  EXPECT_NEAR(x.causes[0].share, 0.61, 1e-12);
  EXPECT_EQ(x.causes[1].layer->name, "conv1");
  EXPECT_NEAR(x.covered, 0.91, 1e-12);
  EXPECT_EQ(x.headline,
            "W8A8 everywhere takes mAP from 34.20 % to 3.00 %. 2 of 4 layers carry 91 % of the KL "
            "that quantizing each alone adds up to.");
  EXPECT_EQ(x.consequences.at(0),
            "Single layers add up to a KL of 1, all of them together have 2: errors compound on "
            "their way through the network.");
}

TEST(ExplanationTest, rows_on_another_base_are_no_parts_of_the_loss) {
  RunResults run = collapsed_run();
  run.sensitivity_base = run.evaluations[1];
  EXPECT_TRUE(explain_losses(run).empty());
}

TEST(ExplanationTest, reasons_are_what_was_measured_at_the_layer) {
  const auto found = explain_losses(collapsed_run());
  const std::string why = all_of(found.at(0).causes.at(0).reasons);
  EXPECT_EQ(
      why,
      "its input spans -1 .. 99, 98 % of it -1 .. 9, 10 % of that: outliers set the step; 40 % of "
      "the codes stay unused\n"
      "calibrator mse (-1 .. 19) has 0.1 of minmax's expected error\n"
      "W4A16, its input in 16 bits, costs 0.01 of that: the input is to blame, not the "
      "weights\n"
      "rounding its input errs by 20 % RMS, 20 times the median layer\n"
      "its output keeps 17.5 dB, the median layer's 30.0\n"
      "its widest output channel is 36.5 times the median one (each channel has its own "
      "scale)\n");
}

TEST(ExplanationTest, weights_are_blamed_only_where_they_are_rounded_to_one_scale) {
  RunResults run = collapsed_run();
  run.precisions[1] = "W8A8:tensor";
  for (auto& row : run.sensitivity) {
    if (row.precision == "W8A8") row.precision = "W8A8:tensor";
    if (row.precision == "W4A16") row.kl = 1.0;
  }
  const std::string why = all_of(explain_losses(run).at(0).causes.at(0).reasons);
  EXPECT_NE(why.find("36.5 times the median one, and all share one scale"), std::string::npos)
      << why;
  EXPECT_EQ(why.find("to blame"), std::string::npos) << why;
}

TEST(ExplanationTest, a_scheme_that_spares_the_causes_is_the_evidence) {
  RunResults run = collapsed_run();
  // Ten layers: nine tenths of them have to stay at the precision.
  for (int i = 4; i < 20; ++i) {
    const std::string name = "conv" + std::to_string(i + 1);
    run.layers.push_back({.name = name, .op = "Conv", .group = "body"});
    run.sensitivity.push_back({.layer = name, .precision = "W8A8", .mode = "only"});
  }
  for (auto& e : run.evaluations) e.precision.resize(20, e.precision[0]);
  auto spared = run.evaluations[0];
  spared.id = spared.name = "W8A8 keep FP16 top 2";
  spared.precision[0] = spared.precision[1] = 3;
  spared.metric = 0.33;
  spared.drop = 0.012;
  auto wrong = spared;  // better, but keeps other layers: says nothing of the causes
  wrong.precision[0] = 1;
  wrong.metric = 0.34;
  run.evaluations.push_back(spared);
  run.evaluations.push_back(wrong);
  const auto found = explain_losses(run);
  ASSERT_EQ(found.at(0).remedies.size(), 1U);
  EXPECT_EQ(found[0].remedies[0].scheme->metric, 0.33);
  EXPECT_EQ(found[0].remedies[0].quantized, 18);
  EXPECT_EQ(found[0].consequences.back(),
            "With 2 layers spared and 18 of 20 at W8A8 (W8A8 keep FP16 top 2), mAP is 33.00 %, "
            "1.20 points below float.");

  auto fewer = spared;  // of 30 layers three may be spared
  for (auto& e : run.evaluations) e.precision.resize(30, e.precision[19]);
  fewer.precision.resize(30, 1);
  for (int i = 20; i < 30; ++i) run.layers.push_back({.name = "conv" + std::to_string(i + 1)});
  fewer.precision[2] = 3;
  fewer.metric = 0.335;
  run.evaluations.push_back(fewer);
  const auto more = explain_losses(run);
  ASSERT_EQ(more.at(0).remedies.size(), 2U);
  EXPECT_EQ(more[0].remedies[0].quantized, 28);
  EXPECT_EQ(more[0].remedies[1].quantized, 27);
  EXPECT_EQ(more[0].remedies[1].scheme->metric, 0.335);
}

TEST(ExplanationTest, a_loss_within_noise_or_a_small_one_is_not_explained) {
  RunResults run = collapsed_run();
  run.evaluations[0].drop_low = -0.01;
  EXPECT_TRUE(explain_losses(run).empty());
  run.evaluations[0].drop_low = 0.001;
  run.evaluations[0].drop = 0.01;
  EXPECT_TRUE(explain_losses(run).empty());
  run.evaluations.clear();
  EXPECT_TRUE(explain_losses(run).empty()) << "no uniform scheme was evaluated";
}

TEST(ExplanationTest, layers_that_break_come_first_and_add_nothing_up) {
  RunResults run = collapsed_run();
  run.sensitivity[6].nonfinite = true;
  run.sensitivity[6].kl = std::numeric_limits<double>::quiet_NaN();
  const auto found = explain_losses(run);
  const Explanation& x = found.at(0);
  EXPECT_EQ(x.broken, 1);
  EXPECT_EQ(x.causes.at(0).layer->name, "conv4");
  EXPECT_EQ(x.causes[0].share, 0.0);
  EXPECT_EQ(x.causes[0].reasons.at(0), "NaN or infinity appeared");
  EXPECT_EQ(x.carriers, 3U);
  EXPECT_NEAR(x.total, 0.97, 1e-12);
  EXPECT_EQ(x.causes.at(1).layer->name, "conv2");
}

TEST(ExplanationTest, adds_up_the_score_of_the_run) {
  RunResults run = collapsed_run();
  run.score = "mse";
  const auto found = explain_losses(run);
  EXPECT_EQ(found.at(0).score, "mse");
  EXPECT_NEAR(found[0].total, 0.3721 + 0.09 + 0.0036 + 0.0009, 1e-12);
  EXPECT_TRUE(std::isnan(found[0].together));
  run.score = "sqnr";  // decibels do not add up
  EXPECT_EQ(explain_losses(run).at(0).score, "kl");
}

TEST(ExplanationTest, the_documents_carry_it) {
  const RunResults run = collapsed_run();
  EXPECT_NE(
      render_sensitivity_markdown(run, conclude(run))
          .find(
              "## Why W8A8 Everywhere Fails\n\nW8A8 everywhere takes mAP from 34.20 % to 3.00 %."),
      std::string::npos);
  EXPECT_NE(render_sensitivity_markdown(run, conclude(run))
                .find("| conv2 | depthwise Conv | stem | 61.0 % | "),
            std::string::npos);
  EXPECT_NE(render_sensitivity_json(run, conclude(run)).find("\"explanations\": [\n    {"),
            std::string::npos);
  EXPECT_NE(render_html(run, conclude(run)).find("outliers set the step"), std::string::npos);
}

}  // namespace
}  // namespace qsweep
