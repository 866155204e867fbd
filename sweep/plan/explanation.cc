#include "sweep/plan/explanation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "src/results/views.h"

#include "sweep/plan/decision.h"

namespace qsweep {
namespace {

using view::Evaluation;
using view::Sensitivity;
using Cause = Explanation::Cause;

constexpr double kCovered = 0.9;
constexpr std::size_t kFewestCauses = 3;
constexpr std::size_t kMostCauses = 10;
/// 98 % of the values on so small a part of the range: outliers set the step.
constexpr double kNarrow = 0.25;
/// An alternative that leaves at most so much of an error is named.
constexpr double kMuchLess = 0.5;
constexpr double kUnevenChannels = 10.0;
constexpr double kWeightOutliers = 3.0;
/// The whole is the sum of its parts, within this factor.
constexpr double kAdditive = 1.5;

double amount(const std::string& score, const Sensitivity& row) {
  const double value = score == "mse" ? row.output_mse : score == "drop" ? row.metric_drop : row.kl;
  return value > 0.0 ? value : 0.0;  // a gain is no loss; NaN is counted as broken
}

bool is_broken(const Sensitivity& row) {
  return row.nonfinite || !std::isfinite(row.kl) || !std::isfinite(row.output_mse);
}

const RunResults::Layer* find_layer(const RunResults& results, const std::string& name) {
  const auto at =
      std::ranges::find_if(results.layers, [&](const auto& layer) { return layer.name == name; });
  return at == results.layers.end() ? nullptr : &*at;
}

bool is_integer(const std::string& dtype) {
  return dtype.find("int") != std::string::npos;
}

/// The range of the layer's input, where `precision` rounds it to integers.
void explain_range(const RunResults& results, const Cause& cause, std::vector<std::string>& found) {
  const auto stats = std::ranges::find_if(
      results.calibration_stats, [&](const auto& c) { return c.tensor == cause.layer->input; });
  if (stats == results.calibration_stats.end() || stats->ranges.choices.empty()) return;
  const RangeReport& r = stats->ranges;
  const auto used = std::ranges::find_if(
      r.choices, [&](const auto& c) { return name_of(c.kind) == results.calibrator; });
  if (used == r.choices.end()) return;
  const double width = used->high - used->low;
  const double central = r.central_high - r.central_low;
  const bool narrow = width > 0.0 && central < kNarrow * width;
  found.push_back(fmt::format(
      "its input spans {:.4g} .. {:.4g}, 98 % of it {:.4g} .. {:.4g}, {:.0f} % of that{}; {:.0f} % "
      "of the codes stay unused",
      used->low, used->high, r.central_low, r.central_high,
      width > 0.0 ? 100.0 * central / width : 100.0, narrow ? ": outliers set the step" : "",
      100.0 * (1.0 - used->codes_used)));
  const RangeReport::Choice& best = r.of(r.best);
  if (used->error > 0.0 && r.best != used->kind && best.error < used->error) {
    found.push_back(fmt::format(
        "calibrator {} ({:.4g} .. {:.4g}) has {:.2g} of {}'s expected error", name_of(best.kind),
        best.low, best.high, best.error / used->error, results.calibrator));
  }
}

void explain_weights(const Cause& cause, std::vector<std::string>& found) {
  const view::FormatNames names = view::format_names(cause.row->precision);
  if (!is_integer(names.weight)) return;
  const RunResults::Layer& layer = *cause.layer;
  if (layer.weight_channel_ratio > kUnevenChannels) {
    found.push_back(fmt::format(
        "its widest output channel is {:.3g} times the median one{}", layer.weight_channel_ratio,
        names.granularity == "per_tensor" ? ", and all share one scale"
                                          : " (each channel has its own scale)"));
  }
  if (layer.weight_outlier_ratio > kWeightOutliers) {
    found.push_back(fmt::format("its largest weight is {:.3g} times the 99.9th percentile",
                                layer.weight_outlier_ratio));
  }
}

/// A run of the same layer with its input in float and weights no finer tells input from weight.
void explain_side(const RunResults& results,
                  const std::string& score,
                  const Cause& cause,
                  std::vector<std::string>& found) {
  const view::FormatNames here = view::format_names(cause.row->precision);
  if (here.activation_bits >= 16 || !(amount(score, *cause.row) > 0.0)) return;
  for (const Sensitivity& other : results.sensitivity) {
    if (other.mode != "only" || other.layer != cause.row->layer || is_broken(other)) continue;
    const view::FormatNames there = view::format_names(other.precision);
    if (there.activation_bits < 16 || there.weight_bits > here.weight_bits) continue;
    const double part = amount(score, other) / amount(score, *cause.row);
    if (part < kMuchLess) {
      found.push_back(
          fmt::format("{}, its input in {} bits, costs {:.2g} of that: the input is to "
                      "blame, not the weights",
                      other.precision, there.activation_bits, part));
      return;
    }
  }
}

/// The middle of one figure over the layers of a precision; NaN where none has it.
double median(const RunResults& results,
              const std::string& precision,
              double Sensitivity::*figure) {
  std::vector<double> values;
  for (const Sensitivity& row : results.sensitivity) {
    if (row.mode == "only" && row.precision == precision && std::isfinite(row.*figure))
      values.push_back(row.*figure);
  }
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// What rounding does at the layer itself, beside what it does at others.
void explain_rounding(const RunResults& results,
                      const Sensitivity& row,
                      std::vector<std::string>& found) {
  const double usual = median(results, row.precision, &Sensitivity::qdq_error);
  if (row.qdq_error > 0.0 && usual > 0.0) {
    found.push_back(
        fmt::format("rounding its input errs by {:.3g} % RMS, {:.2g} times the median "
                    "layer",
                    100.0 * row.qdq_error, row.qdq_error / usual));
  }
  if (std::isfinite(row.sqnr_db)) {
    found.push_back(fmt::format("its output keeps {:.1f} dB, the median layer's {:.1f}",
                                row.sqnr_db,
                                median(results, row.precision, &Sensitivity::sqnr_db)));
  }
}

std::vector<std::string> reasons(const RunResults& results,
                                 const std::string& score,
                                 const Cause& cause) {
  std::vector<std::string> found;
  if (is_broken(*cause.row)) found.emplace_back("NaN or infinity appeared");
  if (is_integer(view::format_names(cause.row->precision).activation))
    explain_range(results, cause, found);
  if (!is_broken(*cause.row)) explain_side(results, score, cause, found);
  explain_rounding(results, *cause.row, found);
  explain_weights(cause, found);
  return found;
}

/// The scheme of one precision for all layers that was evaluated; nullptr: none.
const Evaluation* uniform_scheme(const RunResults& results, const std::string& precision) {
  for (const Evaluation& e : results.evaluations) {
    if (e.kind == "scheme" && view::is_ok(e) &&
        std::ranges::all_of(e.precision, [&](std::uint8_t p) {
          return view::precision_name(results, p) == precision;
        }))
      return &e;
  }
  return nullptr;
}

void find_remedies(const RunResults& results, Explanation& x) {
  using Remedy = Explanation::Remedy;
  const auto at_precision = [&](std::uint8_t p) {
    return view::precision_name(results, p) == x.precision;
  };
  std::vector<Remedy> found;
  for (const Evaluation& e : results.evaluations) {
    if (e.kind != "scheme" || !view::is_ok(e) || !(e.metric > x.uniform->metric)) continue;
    const auto quantized = static_cast<int>(std::ranges::count_if(e.precision, at_precision));
    const bool spares_carriers =
        std::ranges::none_of(std::span(x.causes).first(x.carriers), [&](const Cause& cause) {
          const auto layer = static_cast<std::size_t>(cause.layer - results.layers.data());
          return at_precision(e.precision.at(layer));
        });
    if (spares_carriers && 10 * quantized >= 9 * static_cast<int>(results.layers.size()))
      found.push_back({&e, quantized});
  }
  if (found.empty()) return;
  const Remedy fewest = *std::ranges::max_element(found, {}, &Remedy::quantized);
  const Remedy best = *std::ranges::max_element(
      found, {}, [](const Remedy& remedy) { return remedy.scheme->metric; });
  x.remedies.push_back(fewest);
  if (best.scheme != fewest.scheme) x.remedies.push_back(best);
}

void put_into_words(const RunResults& results, Explanation& x) {
  const std::string metric = view::metric_title(results.metric);
  const std::string score = x.score == "drop" ? metric + " drop" : x.score == "mse" ? "MSE" : "KL";
  x.headline = fmt::format("{} everywhere takes {} from {:.2f} % to {:.2f} %.", x.precision, metric,
                           100.0 * results.baseline.metric, 100.0 * x.uniform->metric);
  if (x.broken > 0)
    x.headline += fmt::format(" {} of {} layers alone give NaN or infinity.", x.broken, x.layers);
  if (x.total > 0.0) {
    const std::size_t many = x.carriers - static_cast<std::size_t>(x.broken);
    x.headline +=
        fmt::format(" {} of {} layers {} {:.0f} % of the {} that quantizing each alone adds up to.",
                    many, x.layers, many == 1 ? "carries" : "carry", 100.0 * x.covered, score);
  }
  if (std::isfinite(x.together) && x.total > 0.0) {
    const double ratio = x.together / x.total;
    x.consequences.push_back(fmt::format(
        "Single layers add up to a {} of {:.3g}, all of them together have {:.3g}: {}.", score,
        x.total, x.together,
        ratio > kAdditive         ? "errors compound on their way through the network"
        : ratio < 1.0 / kAdditive ? "errors overlap, the first ones hide the others"
                                  : "errors add up, none is made by their combination"));
  }
  for (const Explanation::Remedy& remedy : x.remedies) {
    const int spared = static_cast<int>(results.layers.size()) - remedy.quantized;
    x.consequences.push_back(
        fmt::format("With {} layer{} spared and {} of {} at {} ({}), {} is {:.2f} %, {:.2f} points "
                    "below float.",
                    spared, spared == 1 ? "" : "s", remedy.quantized, results.layers.size(),
                    x.precision, view::label_of(*remedy.scheme), metric,
                    100.0 * remedy.scheme->metric, 100.0 * remedy.scheme->drop));
  }
}

Explanation explain(const RunResults& results,
                    const std::string& precision,
                    const Evaluation& uniform) {
  Explanation x{.precision = precision,
                .uniform = &uniform,
                .score = results.score == "sqnr" ? "kl" : results.score,
                .together = std::numeric_limits<double>::quiet_NaN()};
  if (x.score == "kl") x.together = uniform.kl;
  if (x.score == "drop") x.together = uniform.drop;
  std::vector<const Sensitivity*> rows;
  for (const Sensitivity& row : results.sensitivity) {
    if (row.mode == "only" && row.precision == precision &&
        find_layer(results, row.layer) != nullptr)
      rows.push_back(&row);
  }
  x.layers = static_cast<int>(rows.size());
  for (const Sensitivity* row : rows) {
    x.broken += is_broken(*row) ? 1 : 0;
    x.total += is_broken(*row) ? 0.0 : amount(x.score, *row);
  }
  std::ranges::stable_sort(rows, [&](const Sensitivity* a, const Sensitivity* b) {
    if (is_broken(*a) != is_broken(*b)) return is_broken(*a);
    return amount(x.score, *a) > amount(x.score, *b);
  });
  for (const Sensitivity* row : rows) {
    const bool carries = is_broken(*row) || (x.covered < kCovered && amount(x.score, *row) > 0.0);
    if (x.causes.size() == kMostCauses || (!carries && x.causes.size() >= kFewestCauses)) break;
    Cause cause{.layer = find_layer(results, row->layer), .row = row};
    if (!is_broken(*row) && x.total > 0.0) cause.share = amount(x.score, *row) / x.total;
    cause.reasons = reasons(results, x.score, cause);
    if (carries) {
      ++x.carriers;
      x.covered += cause.share;
    }
    x.causes.push_back(std::move(cause));
  }
  find_remedies(results, x);
  put_into_words(results, x);
  return x;
}

}  // namespace

std::vector<Explanation> explain_losses(const RunResults& results) {
  std::vector<Explanation> found;
  // On another base a row's error is that of the base too: rows are no parts that add up.
  if (results.sensitivity_base) return found;
  for (const std::string& precision : view::probed_precisions(results, "only")) {
    const Evaluation* uniform = uniform_scheme(results, precision);
    if (uniform == nullptr || !(uniform->drop > kTrainingAdvice) || !(uniform->drop_low > 0.0))
      continue;
    found.push_back(explain(results, precision, *uniform));
  }
  return found;
}

}  // namespace qsweep
