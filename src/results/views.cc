#include "src/results/views.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "src/quant/format.h"

namespace qsweep::view {
namespace {

/// 59049 as 59,049.
std::string grouped(std::int64_t count) {
  const std::string digits = fmt::format("{}", count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string_view granularity_name(const Format& format) {
  switch (format.granularity) {
    case Granularity::per_tensor:
      return "per_tensor";
    case Granularity::per_channel:
      return "per_channel";
    case Granularity::per_block:
      return "per_block";
  }
  return "";
}

}  // namespace

bool is_complete(const RunResults& results) {
  return std::ranges::all_of(results.stages,
                             [](const auto& stage) { return stage.done >= stage.planned; });
}

std::string completeness_text(const RunResults& results) {
  const auto stage =
      std::ranges::find_if(results.stages, [](const auto& s) { return s.done < s.planned; });
  if (stage == results.stages.end()) return {};
  const std::string_view what = stage->name == "sweep"         ? "schemes"
                                : stage->name == "sensitivity" ? "single-layer runs"
                                                               : "";
  const std::string state = what.empty()
                                ? fmt::format("stage '{}' is not finished", stage->name)
                                : fmt::format("{} of {} {} are evaluated", grouped(stage->done),
                                              grouped(stage->planned), what);
  return fmt::format(
      "This run is not complete: {}; rerun `qsweep run` with the same job and --out to resume.",
      state);
}

std::vector<std::string> notices(const RunResults& results) {
  std::vector<std::string> texts;
  if (!is_complete(results)) texts.push_back(completeness_text(results));
  for (const RunResults::Alarm& alarm : results.alarms) texts.push_back(alarm.text);
  return texts;
}

bool is_float_doubtful(const RunResults& results) {
  return std::ranges::any_of(results.alarms, [](const RunResults::Alarm& alarm) {
    return alarm.about == RunResults::Alarm::About::float_model;
  });
}

bool has_latency(const RunResults& results) {
  return !results.latency_source.empty() && !results.baseline.latency_source.empty();
}

std::string latency_label(const RunResults& results) {
  const std::string& source = results.latency_source;
  if (source.empty()) return {};
  if (source == "measured") return "qsweep's kernels, " + results.latency_device + ", measured";
  if (source == "roofline") return "roofline estimate, " + results.latency_device;
  if (source == "table") return results.latency_device + ", from a table";
  return results.latency_device + ", measured";
}

bool is_estimate(const Evaluation& scheme) {
  const std::string& source = scheme.latency_source;
  return source.find("roofline") != std::string::npos || source.find("fitted") != std::string::npos;
}

CostAxis cost_axis(const RunResults& results) {
  if (!has_latency(results)) return CostAxis::size;
  const auto cost = std::ranges::find_if(
      results.objectives, [](const std::string& name) { return name != "accuracy"; });
  return cost != results.objectives.end() && *cost == "size" ? CostAxis::size : CostAxis::latency;
}

std::string_view name_of(CostAxis axis) {
  return axis == CostAxis::latency ? "latency_ms" : "size_bytes";
}

double cost_of(const Evaluation& evaluation, CostAxis axis) {
  return axis == CostAxis::latency ? evaluation.latency_ms
                                   : static_cast<double>(evaluation.size_bytes);
}

std::vector<const Evaluation*> all_schemes(const RunResults& results) {
  std::vector<const Evaluation*> schemes{&results.baseline};
  for (const Evaluation& evaluation : results.evaluations) {
    if (evaluation.kind == "scheme" && evaluation.id != results.baseline.id) {
      schemes.push_back(&evaluation);
    }
  }
  return schemes;
}

std::vector<const Evaluation*> points(const RunResults& results) {
  const CostAxis axis = cost_axis(results);
  std::vector<const Evaluation*> found = all_schemes(results);
  std::erase_if(found, [&](const Evaluation* e) {
    return !is_ok(*e) || !std::isfinite(e->metric) || !std::isfinite(cost_of(*e, axis)) ||
           (axis == CostAxis::latency && e->latency_source.empty());
  });
  std::stable_sort(found.begin(), found.end(), [&](const Evaluation* a, const Evaluation* b) {
    const double cost_a = cost_of(*a, axis);
    const double cost_b = cost_of(*b, axis);
    return cost_a != cost_b ? cost_a < cost_b : a->metric > b->metric;
  });
  return found;
}

std::vector<const Evaluation*> front(const RunResults& results) {
  std::vector<const Evaluation*> found = points(results);
  std::erase_if(found, [](const Evaluation* e) { return !e->on_front; });
  return found;
}

bool is_ok(const Evaluation& evaluation) {
  return evaluation.status == "ok";
}

double other_of(const Evaluation& evaluation, std::size_t index) {
  return index < evaluation.others.size() ? evaluation.others[index]
                                          : std::numeric_limits<double>::quiet_NaN();
}

double images_per_second(const RunResults& results, const Evaluation& scheme) {
  return scheme.latency_source.empty() || !(scheme.latency_ms > 0.0)
             ? std::numeric_limits<double>::quiet_NaN()
             : 1000.0 * static_cast<double>(results.latency_batch) / scheme.latency_ms;
}

double speedup(const RunResults& results, const Evaluation& scheme) {
  return images_per_second(results, scheme) / images_per_second(results, results.baseline);
}

bool contains_zero(double low, double high) {
  return low <= 0.0 && high >= 0.0;
}

std::optional<double> relative_percent(double drop, double baseline) {
  if (baseline == 0.0 || !std::isfinite(drop) || !std::isfinite(baseline)) return std::nullopt;
  return drop / baseline * 100.0;
}

const std::string& label_of(const Evaluation& evaluation) {
  return evaluation.name.empty() ? evaluation.text : evaluation.name;
}

const Evaluation& sensitivity_base(const RunResults& results) {
  return results.sensitivity_base ? *results.sensitivity_base : results.baseline;
}

double score_of(const RunResults& results, const Sensitivity& row) {
  if (results.score == "mse") return row.output_mse;
  if (results.score == "sqnr") return -row.sqnr_db;
  if (results.score == "drop") return row.metric_drop;
  return row.kl;
}

std::vector<const Sensitivity*> ranked(const RunResults& results,
                                       std::string_view mode,
                                       std::string_view precision) {
  std::vector<const Sensitivity*> rows;
  for (const Sensitivity& row : results.sensitivity) {
    if (row.mode == mode && (precision.empty() || row.precision == precision)) rows.push_back(&row);
  }
  // A layer that produced NaN is the most sensitive of all; NaN itself has no place in an order.
  const auto key = [&](const Sensitivity* row) {
    const double score = score_of(results, *row);
    return row->nonfinite || std::isnan(score) ? HUGE_VAL : score;
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Sensitivity* a, const Sensitivity* b) { return key(a) > key(b); });
  return rows;
}

std::vector<std::string> probed_precisions(const RunResults& results, std::string_view mode) {
  std::vector<std::string> found;
  for (const std::string& precision : results.precisions) {
    const bool is_probed = std::any_of(
        results.sensitivity.begin(), results.sensitivity.end(),
        [&](const Sensitivity& row) { return row.mode == mode && row.precision == precision; });
    if (is_probed) found.push_back(precision);
  }
  return found;
}

std::string base_precision(const RunResults& results, const Evaluation& evaluation) {
  std::map<std::uint8_t, int> counts;
  for (const std::uint8_t index : evaluation.precision) ++counts[index];
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? std::string() : precision_name(results, most->first);
}

std::string precision_name(const RunResults& results, std::uint8_t index) {
  return index < results.precisions.size() ? results.precisions[index] : std::string();
}

std::vector<std::vector<std::string>> tied_layers(const RunResults& results) {
  std::vector<std::vector<std::string>> groups;
  for (const RunResults::Layer& layer : results.layers) {
    if (layer.tied_to.empty()) continue;
    auto group = std::ranges::find_if(
        groups, [&](const auto& names) { return names.front() == layer.tied_to; });
    if (group == groups.end()) group = groups.insert(groups.end(), {layer.tied_to});
    group->push_back(layer.name);
  }
  return groups;
}

std::string class_name(const RunResults& results, std::size_t index) {
  return index < results.class_names.size() ? results.class_names[index] : fmt::format("{}", index);
}

std::string metric_title(std::string_view metric) {
  if (metric == "top1") return "Top-1";
  if (metric == "map") return "mAP";
  if (metric == "miou") return "mIoU";
  return std::string(metric);
}

std::string drop_text(double drop, double low, double high) {
  if (!std::isfinite(drop)) return "not finite";
  return fmt::format("{:+.2f} points [{:+.2f}, {:+.2f}]{}", drop * 100, low * 100, high * 100,
                     contains_zero(low, high) ? ", not distinguishable from 0" : "");
}

FormatNames format_names(const std::string& precision) {
  const Precision parsed = parse_precision(precision);
  FormatNames names;
  names.weight = name_of(parsed.weight.dtype);
  names.activation = name_of(parsed.activation.dtype);
  names.granularity = parsed.weight.is_quantized() ? granularity_name(parsed.weight) : "none";
  names.weight_bits = weight_bits(parsed);
  names.activation_bits = activation_bits(parsed);
  return names;
}

}  // namespace qsweep::view
