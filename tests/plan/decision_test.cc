#include "sweep/plan/decision.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "src/results/views.h"

#include "tests/support/small_run.h"

namespace qsweep {
namespace {

/// Float and one quantized scheme: half the latency, a quarter of the size, the given drop.
RunResults one_scheme(double drop, double float_metric = 0.95) {
  RunResults run = small_run();
  run.baseline.metric = float_metric;
  RunResults::Evaluation scheme = run.evaluations.at(1);
  scheme.metric = float_metric - drop;
  scheme.drop = drop;
  scheme.drop_low = drop - 0.002;
  scheme.drop_high = drop + 0.002;
  run.evaluations = {scheme};
  return run;
}

bool mentions(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& text : texts) {
    if (text.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST(JudgeTest, high_precision_needs_a_drop_below_1_point_and_a_metric_above_0_9) {
  EXPECT_EQ(judge(Profile::high_precision, 0.0099, 0.901), Acceptance::accept);
  EXPECT_EQ(judge(Profile::high_precision, 0.01, 0.95), Acceptance::reject);
  EXPECT_EQ(judge(Profile::high_precision, 0.001, 0.90), Acceptance::reject);
}

TEST(JudgeTest, general_warns_above_2_points_and_rejects_from_3) {
  EXPECT_EQ(judge(Profile::general, 0.02, 0.5), Acceptance::accept);
  EXPECT_EQ(judge(Profile::general, 0.0201, 0.5), Acceptance::warn);
  EXPECT_EQ(judge(Profile::general, 0.0299, 0.5), Acceptance::warn);
  EXPECT_EQ(judge(Profile::general, 0.03, 0.5), Acceptance::reject);
}

TEST(JudgeTest, realtime_rejects_from_5_points) {
  EXPECT_EQ(judge(Profile::realtime, 0.0499, 0.3), Acceptance::accept);
  EXPECT_EQ(judge(Profile::realtime, 0.05, 0.3), Acceptance::reject);
}

TEST(JudgeTest, rejects_a_drop_that_is_not_a_number) {
  for (const Profile profile : {Profile::high_precision, Profile::general, Profile::realtime}) {
    EXPECT_EQ(judge(profile, std::nan(""), 0.99), Acceptance::reject);
  }
}

TEST(DecideTest, verdict_follows_the_drop) {
  EXPECT_EQ(decide(one_scheme(0.005)).verdict, "accept");
  EXPECT_EQ(decide(one_scheme(0.015)).verdict, "accept");
  EXPECT_EQ(decide(one_scheme(0.025)).verdict, "accept with a warning");
  EXPECT_EQ(decide(one_scheme(0.04)).verdict, "realtime only");
  EXPECT_EQ(decide(one_scheme(0.06)).verdict, "reject");
}

TEST(DecideTest, a_rejected_scheme_is_not_recommended) {
  const RunResults run = one_scheme(0.06);
  EXPECT_EQ(decide(run).recommended, &run.baseline);
}

TEST(DecideTest, prefers_a_stricter_limit_to_more_speed) {
  RunResults run = one_scheme(0.005);
  RunResults::Evaluation faster = run.evaluations[0];
  faster.id = "555555555555";
  faster.latency_ms /= 2;
  faster.drop = 0.02;
  faster.metric -= 0.015;
  run.evaluations.push_back(faster);
  EXPECT_EQ(decide(run).recommended, &run.evaluations[0]);
}

TEST(DecideTest, advises_training_above_2_points_only) {
  EXPECT_FALSE(mentions(decide(one_scheme(0.02)).advice, "consider QAT"));
  EXPECT_TRUE(mentions(decide(one_scheme(0.0201)).advice, "consider QAT"));
}

TEST(DecideTest, diagnoses_above_5_points_only) {
  EXPECT_TRUE(decide(one_scheme(0.049)).diagnosis.empty());
  const std::vector<std::string> diagnosis = decide(one_scheme(0.051)).diagnosis;
  EXPECT_TRUE(mentions(diagnosis, "64 images"));
  EXPECT_TRUE(mentions(diagnosis, "lowest layer SQNR"));
  EXPECT_TRUE(mentions(diagnosis, "dynamic range: input"));
  EXPECT_TRUE(mentions(diagnosis, "QAT"));
}

TEST(DecideTest, no_quantization_needed_when_float_is_fastest) {
  RunResults run = one_scheme(0.001);
  run.evaluations[0].latency_ms = run.baseline.latency_ms * 1.4;
  const Decision decision = decide(run);
  EXPECT_EQ(decision.verdict, "no quantization needed");
  EXPECT_EQ(decision.recommended, &run.baseline);
}

TEST(DecideTest, fast_but_ruined_does_not_win) {
  RunResults run = one_scheme(0.25);
  run.evaluations[0].latency_ms = 0.01;
  const Decision decision = decide(run);
  EXPECT_EQ(decision.verdict, "reject");
  for (const Choice& choice : decision.choices) {
    if (choice.use == "max_speed") {
      EXPECT_EQ(choice.scheme, &run.baseline);
    }
  }
}

TEST(DecideTest, without_latency_the_verdict_is_unverified) {
  RunResults run = one_scheme(0.005);
  run.latency_source.clear();
  run.baseline.latency_source.clear();
  run.evaluations[0].latency_source.clear();
  const Decision decision = decide(run);
  EXPECT_EQ(decision.verdict, "unverified");
  EXPECT_EQ(decision.accuracy_verdict, "accept");
  EXPECT_EQ(decision.recommended, &run.evaluations[0]);
  EXPECT_TRUE(mentions(decision.advice, "no latency is known"));
}

TEST(DecideTest, calls_noise_noise) {
  EXPECT_TRUE(mentions(decide(one_scheme(0.001)).advice, "not distinguishable from 0"));
  EXPECT_FALSE(mentions(decide(one_scheme(0.0021)).advice, "not distinguishable from 0"));
}

TEST(DecideTest, says_so_when_nothing_was_evaluated) {
  RunResults run = small_run();
  run.evaluations.clear();
  const Decision decision = decide(run);
  EXPECT_EQ(decision.verdict, "no scheme");
  EXPECT_EQ(decision.recommended, &run.baseline);
}

TEST(DecideTest, certain_only_when_the_interval_keeps_the_limit) {
  const auto general = [](double drop) { return decide(one_scheme(drop)).profiles.at(1); };
  EXPECT_TRUE(general(0.0279).is_certain);
  EXPECT_FALSE(general(0.0285).is_certain);
}

TEST(PickTest, honours_limits_and_says_none) {
  const RunResults run = small_run();
  const auto id = [&](const Limits& limits, Prefer prefer) {
    const auto* found = pick(run, limits, prefer);
    return found == nullptr ? std::string("none") : found->id;
  };
  EXPECT_EQ(id({.min_metric = 0.895}, Prefer::latency), "222222222222");
  EXPECT_EQ(id({.max_latency_ms = 0.45}, Prefer::accuracy), "333333333333");
  EXPECT_EQ(id({}, Prefer::accuracy), "000000000000");
  EXPECT_EQ(id({.max_drop = 0.005}, Prefer::size), "000000000000");  // exclusive
  EXPECT_EQ(id({.max_size_bytes = 100}, Prefer::size), "none");
  EXPECT_EQ(id({.min_metric = 0.999}, Prefer::latency), "none");
}

TEST(PickTest, equal_cost_goes_to_the_higher_metric) {
  RunResults run = one_scheme(0.02);
  run.evaluations.push_back(run.evaluations[0]);
  run.evaluations[1].id = "666666666666";
  run.evaluations[1].metric += 0.01;
  EXPECT_EQ(pick(run, {.quantized_only = true}, Prefer::latency)->id, "666666666666");
}

TEST(DecideTest, nothing_is_accepted_of_a_run_that_is_not_complete) {
  RunResults run = one_scheme(0.005);
  run.stages = {{"baseline", 1, 1}, {"sweep", 59049, 1234}};
  const Decision decision = decide(run);
  EXPECT_EQ(decision.verdict, "not complete");
  EXPECT_EQ(decision.accuracy_verdict, "not complete");
  EXPECT_EQ(decision.headline,
            "This run is not complete: 1,234 of 59,049 schemes are evaluated; rerun `qsweep "
            "run` with the same job and --out to resume.");
  run.stages.back().done = 59049;
  EXPECT_EQ(decide(run).verdict, "accept");
}

TEST(DecideTest, size_as_the_first_cost_decides_where_latency_is_known_too) {
  RunResults run = one_scheme(0.005);
  run.evaluations.push_back(run.evaluations.front());
  RunResults::Evaluation& smaller = run.evaluations.back();
  smaller.id = "smaller";
  smaller.size_bytes /= 2;
  smaller.latency_ms = 2 * run.baseline.latency_ms;
  EXPECT_NE(decide(run).recommended->id, "smaller");
  run.objectives = {"size", "accuracy"};
  const Decision decision = decide(run);
  EXPECT_EQ(decision.recommended->id, "smaller");
  EXPECT_EQ(decision.verdict, "accept");
  EXPECT_NE(decision.headline.find("x smaller than float"), std::string::npos);
}

TEST(ViewsTest, throughput_counts_the_batch) {
  RunResults run = small_run();
  run.latency_batch = 16;
  EXPECT_DOUBLE_EQ(view::images_per_second(run, run.baseline), 16 * 1000 / 1.25);
  EXPECT_DOUBLE_EQ(view::speedup(run, run.evaluations[1]), 2.5) << "the batch is the same";
}

TEST(DecideTest, without_a_latency_of_the_float_model_size_is_the_cost_and_no_gain_is_verified) {
  RunResults run = small_run();
  run.baseline.latency_source.clear();
  EXPECT_EQ(view::cost_axis(run), view::CostAxis::size);
  EXPECT_EQ(decide(run).verdict, "unverified");
}

}  // namespace
}  // namespace qsweep
