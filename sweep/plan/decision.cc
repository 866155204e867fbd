#include "sweep/plan/decision.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "src/base/text.h"

#include "src/results/views.h"

namespace qsweep {
namespace {

using view::CostAxis;
using view::Evaluation;
using view::label_of;
using view::metric_title;

constexpr std::array kProfiles = {Profile::high_precision, Profile::general, Profile::realtime};

double limit_of(Profile profile) {
  switch (profile) {
    case Profile::high_precision:
      return kHighPrecisionLimit;
    case Profile::general:
      return kGeneralLimit;
    case Profile::realtime:
      return kRealtimeLimit;
  }
  return 0.0;
}

Prefer cheapest(const RunResults& results) {
  return view::cost_axis(results) == CostAxis::latency ? Prefer::latency : Prefer::size;
}

/// Lower is better, for every preference.
double primary(const Evaluation& e, Prefer prefer) {
  switch (prefer) {
    case Prefer::accuracy:
      return -e.metric;
    case Prefer::latency:
      return e.latency_ms;
    case Prefer::size:
      return static_cast<double>(e.size_bytes);
  }
  return 0.0;
}

bool keeps(const Evaluation& e, const RunResults& results, const Limits& limits, Prefer prefer) {
  if (limits.quantized_only && &e == &results.baseline) return false;
  if (limits.min_metric && !(e.metric >= *limits.min_metric)) return false;
  if (limits.max_drop && !(e.drop < *limits.max_drop)) return false;
  const bool has_latency = !e.latency_source.empty();
  if (prefer == Prefer::latency && !has_latency) return false;
  if (limits.max_latency_ms && !(has_latency && e.latency_ms <= *limits.max_latency_ms))
    return false;
  return !limits.max_size_bytes || static_cast<double>(e.size_bytes) <= *limits.max_size_bytes;
}

std::string gain_text(const RunResults& results, const Evaluation& e) {
  if (view::cost_axis(results) == CostAxis::latency) {
    const double gain = view::speedup(results, e);
    return std::isfinite(gain) ? fmt::format(", {:.2f}x the speed of float", gain) : "";
  }
  if (e.size_bytes <= 0 || results.baseline.size_bytes <= 0) return {};
  return fmt::format(
      ", {:.2f}x smaller than float",
      static_cast<double>(results.baseline.size_bytes) / static_cast<double>(e.size_bytes));
}

std::string speed_text(const RunResults& results, const Evaluation& e) {
  const double speed = view::images_per_second(results, e);
  if (!std::isfinite(speed)) return {};
  return fmt::format(" at {:.3g} ms{}, {:.1f} images/s", e.latency_ms,
                     results.latency_batch == 1
                         ? std::string()
                         : fmt::format(" for {} images", results.latency_batch),
                     speed);
}

std::vector<Choice> make_choices(const RunResults& results) {
  const Prefer cost = cheapest(results);
  const std::string metric = view::metric_title(results.metric);
  std::vector<Choice> choices;
  choices.push_back(
      {"best_for_accuracy",
       fmt::format("{} within 1 point of float", cost == Prefer::latency ? "fastest" : "smallest"),
       pick(results, {.max_drop = kHighPrecisionLimit}, cost)});
  if (cost == Prefer::latency) {
    choices.push_back(
        {"best_for_latency", fmt::format("highest {} no slower than float, quantized", metric),
         pick(results, {.max_latency_ms = results.baseline.latency_ms, .quantized_only = true},
              Prefer::accuracy)});
    choices.push_back({"max_speed", "fastest within 5 points of float",
                       pick(results, {.max_drop = kRealtimeLimit}, Prefer::latency)});
  }
  choices.push_back({"max_accuracy", fmt::format("highest {}, quantized", metric),
                     pick(results, {.quantized_only = true}, Prefer::accuracy)});
  choices.push_back({"smallest_within_1_point", "smallest within 1 point of float",
                     pick(results, {.max_drop = kHighPrecisionLimit}, Prefer::size)});
  choices.push_back({"smallest_within_5_points", "smallest within 5 points of float",
                     pick(results, {.max_drop = kRealtimeLimit}, Prefer::size)});
  return choices;
}

ProfileVerdict judge_profile(const RunResults& results, Profile profile) {
  ProfileVerdict verdict;
  verdict.profile = profile;
  verdict.limit = limit_of(profile);
  Limits limits{.max_drop = verdict.limit, .quantized_only = true};
  if (profile == Profile::high_precision) {
    limits.min_metric = std::nextafter(kHighPrecisionMetric, 1.0);
  }
  verdict.scheme = pick(results, limits, cheapest(results));
  if (verdict.scheme == nullptr) {
    verdict.text =
        profile == Profile::high_precision
            ? fmt::format("no quantized scheme loses less than 1 point with {} above {:g}",
                          results.metric, kHighPrecisionMetric)
            : fmt::format("no quantized scheme loses less than {:g} points", verdict.limit * 100);
    return verdict;
  }
  const Evaluation& e = *verdict.scheme;
  verdict.acceptance = judge(profile, e.drop, e.metric);
  verdict.is_certain = e.drop_high < verdict.limit;
  verdict.text = fmt::format(
      "{}: {}{}{}", view::label_of(e), view::drop_text(e.drop, e.drop_low, e.drop_high),
      gain_text(results, e), verdict.is_certain ? "" : "; the interval reaches beyond the limit");
  return verdict;
}

/// The preferred quantized scheme among those that cost less than float; with `max_drop`, lose less
/// too.
const Evaluation* cheaper_than_float(const RunResults& results,
                                     std::optional<double> max_drop,
                                     Prefer prefer) {
  Limits limits{.max_drop = max_drop, .quantized_only = true};
  const CostAxis axis = view::cost_axis(results);
  const double below = std::nextafter(view::cost_of(results.baseline, axis), 0.0);
  (axis == CostAxis::latency ? limits.max_latency_ms : limits.max_size_bytes) = below;
  return pick(results, limits, prefer);
}

/// Likely causes of a large drop, with this run's figures, then what to try (R220).
std::vector<std::string> diagnose(const RunResults& results, const Evaluation& scheme) {
  std::vector<std::string> found;
  found.push_back(
      fmt::format("calibration: {} images with the {} calibrator; 100 to 1000 images are usual",
                  results.calibration.images, results.calibrator));
  const std::string base = view::base_precision(results, scheme);
  std::vector<const view::Sensitivity*> rows = view::ranked(results, "only", base);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto* a, const auto* b) { return a->sqnr_db < b->sqnr_db; });
  std::vector<std::string> worst;
  for (const auto* row : rows) {
    if (worst.size() == 3) break;
    if (std::isfinite(row->sqnr_db))
      worst.push_back(fmt::format("{} ({:.1f} dB)", row->layer, row->sqnr_db));
  }
  if (!worst.empty()) {
    found.push_back(fmt::format("lowest layer SQNR at {}: {}", base, join(worst, ", ")));
  }
  std::vector<const RunResults::Calibration*> ranges;
  for (const auto& stats : results.calibration_stats) ranges.push_back(&stats);
  const auto width = [](const auto* s) {
    return static_cast<double>(s->max) - static_cast<double>(s->min);
  };
  std::stable_sort(ranges.begin(), ranges.end(),
                   [&](const auto* a, const auto* b) { return width(a) > width(b); });
  if (ranges.size() >= 2) {
    const double median = width(ranges[ranges.size() / 2]);
    found.push_back(fmt::format("dynamic range: {} spans {:.4g}, {:.1f}x the median tensor",
                                ranges[0]->tensor, width(ranges[0]),
                                median > 0 ? width(ranges[0]) / median : 1.0));
  }
  found.push_back(
      "remedies, in order of cost: 100 to 1000 representative calibration images; another "
      "calibrator "
      "(entropy, percentile); the most sensitive layers at higher precision; QAT");
  return found;
}

struct Tier {
  double limit;
  std::string_view verdict;
};
constexpr std::array kTiers = {Tier{kHighPrecisionLimit, "accept"}, Tier{kGeneralLimit, "accept"},
                               Tier{kRealtimeLimit, "realtime only"}};

}  // namespace

Acceptance judge(Profile profile, double drop, double metric) {
  if (!(drop < limit_of(profile))) return Acceptance::reject;
  if (profile == Profile::high_precision && !(metric > kHighPrecisionMetric))
    return Acceptance::reject;
  if (profile == Profile::general && drop > kGeneralWarning) return Acceptance::warn;
  return Acceptance::accept;
}

const Evaluation* pick(const RunResults& results, const Limits& limits, Prefer prefer) {
  const Prefer second = prefer == Prefer::accuracy ? cheapest(results) : Prefer::accuracy;
  const Evaluation* best = nullptr;
  for (const Evaluation* e : view::all_schemes(results)) {
    if (!view::is_ok(*e) || !std::isfinite(e->metric)) continue;
    if (!keeps(*e, results, limits, prefer)) continue;
    if (best == nullptr || primary(*e, prefer) < primary(*best, prefer) ||
        (primary(*e, prefer) == primary(*best, prefer) &&
         primary(*e, second) < primary(*best, second))) {
      best = e;
    }
  }
  return best;
}

Decision decide(const RunResults& results) {
  Decision decision;
  decision.is_verified = view::has_latency(results);
  decision.choices = make_choices(results);
  for (const Profile profile : kProfiles)
    decision.profiles.push_back(judge_profile(results, profile));

  for (const Tier& tier : kTiers) {
    decision.recommended = cheaper_than_float(results, tier.limit, cheapest(results));
    if (decision.recommended == nullptr) continue;
    decision.accuracy_verdict = tier.verdict;
    break;
  }
  // The scheme that advice is about: the recommended one, or the rejected one that came nearest.
  const Evaluation* subject = decision.recommended;
  const std::string metric = view::metric_title(results.metric);
  const std::string_view cheaper =
      view::cost_axis(results) == CostAxis::latency ? "faster" : "smaller";
  if (subject != nullptr) {
    const Evaluation& e = *subject;
    if (decision.accuracy_verdict == "accept") {
      decision.accuracy_verdict = name_of(judge(Profile::general, e.drop, e.metric));
    }
    decision.headline =
        fmt::format("{}: {} {:.2f} % against {:.2f} % in float; drop {}{}", view::label_of(e),
                    metric, e.metric * 100, results.baseline.metric * 100,
                    view::drop_text(e.drop, e.drop_low, e.drop_high), gain_text(results, e));
  } else {
    decision.recommended = &results.baseline;
    subject = cheaper_than_float(results, std::nullopt, Prefer::accuracy);
    if (subject != nullptr) {
      decision.accuracy_verdict = "reject";
      decision.headline = fmt::format(
          "keep float: no scheme that is {} loses less than 5 points; the nearest is {}, drop {}",
          cheaper, view::label_of(*subject),
          view::drop_text(subject->drop, subject->drop_low, subject->drop_high));
    } else if (pick(results, {.quantized_only = true}, Prefer::accuracy) != nullptr) {
      decision.accuracy_verdict = "no quantization needed";
      decision.headline =
          fmt::format("no quantization needed: no quantized scheme is {} than float{}", cheaper,
                      speed_text(results, results.baseline));
    } else {
      decision.accuracy_verdict = "no scheme";
      decision.headline = "no quantized scheme was evaluated";
    }
  }

  decision.verdict = decision.accuracy_verdict;
  if (!decision.is_verified && decision.verdict != "reject" && decision.verdict != "no scheme") {
    decision.verdict = "unverified";
    decision.advice.emplace_back(
        "no latency is known, so no gain in speed is verified: give a latency source and run "
        "again");
  }
  const bool rests_on_model =
      view::is_estimate(*decision.recommended) || view::is_estimate(results.baseline);
  if (decision.is_verified && view::cost_axis(results) == CostAxis::latency && rests_on_model) {
    decision.advice.push_back(
        fmt::format("the speed is an estimate ({}), not a measurement: measure it where the model "
                    "will run, with `qsweep latency DIR --kit OUT`",
                    view::latency_label(results)));
  }
  if (subject != nullptr) {
    const Evaluation& e = *subject;
    if (e.drop > kTrainingAdvice) {
      decision.advice.push_back(
          fmt::format("consider QAT: post-training quantization loses {:.2f} points, QAT usually "
                      "gets to 0.1 to 0.5",
                      e.drop * 100));
    }
    if (view::contains_zero(e.drop_low, e.drop_high)) {
      decision.advice.push_back(
          fmt::format("the drop of {} is not distinguishable from 0 on {} images",
                      view::label_of(e), e.images));
    }
    if (e.drop > kDiagnosis) decision.diagnosis = diagnose(results, e);
  }
  // Figures in doubt are no ground to accept anything.
  if (view::is_float_doubtful(results)) {
    decision.verdict = decision.accuracy_verdict = "float model in doubt";
    decision.headline = std::ranges::find(results.alarms, RunResults::Alarm::About::float_model,
                                          &RunResults::Alarm::about)
                            ->text;
  } else if (!view::is_complete(results)) {
    decision.verdict = decision.accuracy_verdict = "not complete";
    decision.headline = view::completeness_text(results);
  }
  return decision;
}

}  // namespace qsweep
