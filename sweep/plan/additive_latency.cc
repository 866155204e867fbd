#include "sweep/plan/additive_latency.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace qsweep {
namespace {

double sum(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// The middle one by time; of an even number, the faster.
const WholeTime& median(std::vector<const WholeTime*>& of) {
  std::ranges::stable_sort(of, {}, &WholeTime::ms);
  return *of[(of.size() - 1) / 2];
}

}  // namespace

FittedLatency fit_latency(const MeasuredLatency& measured,
                          std::span<const Layer> layers,
                          const PrecisionSet& precisions) {
  std::map<std::vector<std::uint8_t>, std::vector<const WholeTime*>> by_scheme;
  for (const WholeTime& whole : measured.wholes) by_scheme[whole.precision].push_back(&whole);
  std::vector<WholeTime> wholes;
  for (auto& [precision, times] : by_scheme) wholes.push_back(median(times));
  const auto whole_of = [&](std::uint8_t precision) -> std::optional<double> {
    const auto at =
        std::ranges::find(wholes, std::vector(layers.size(), precision), &WholeTime::precision);
    return at == wholes.end() ? std::nullopt : std::optional(at->ms);
  };

  double other = measured.other_ms.value_or(0.0);
  const auto of_float = std::ranges::find(measured.profiles, 0, &UniformProfile::precision);
  if (!measured.other_ms && of_float != measured.profiles.end()) {
    const double profiled = sum(of_float->layer_ms) + of_float->rest_ms;
    const std::optional<double> whole = whole_of(0);
    other = whole && profiled > 0.0 ? of_float->rest_ms * *whole / profiled : of_float->rest_ms;
  }

  std::vector<LayerLatency> rows;
  for (const UniformProfile& profile : measured.profiles) {
    const double in_layers = sum(profile.layer_ms);
    const double whole = whole_of(profile.precision).value_or(in_layers + profile.rest_ms);
    if (!(in_layers > 0.0)) continue;
    // Where nearly all is outside layers, their own share of the whole is all that can be said.
    const double inside =
        whole > other ? whole - other : whole * in_layers / (in_layers + profile.rest_ms);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      rows.push_back({layers[i].name,
                      precisions.at(profile.precision).name,
                      profile.layer_ms[i] * inside / in_layers,
                      "fitted",
                      "",
                      {}});
    }
  }
  rows.insert(rows.end(), measured.layers.begin(), measured.layers.end());

  // What files of several precisions take longer than their layers and the rest.
  const LatencyTable sums(measured.place, other, rows);
  double products = 0.0, squares = 0.0;
  for (const WholeTime& whole : wholes) {
    const auto model = sums.scheme_ms(whole.precision, layers, precisions);
    const double boundaries = count_boundaries(whole.precision);
    if (!model.complete || boundaries == 0.0) continue;
    products += (whole.ms - model.ms) * boundaries;
    squares += boundaries * boundaries;
  }
  const double boundary = squares > 0.0 ? std::max(0.0, products / squares) : 0.0;

  const LatencyTable additive(measured.place, other, rows, boundary);
  FittedLatency fitted{additive, {}};
  std::vector<SchemeLatency> timed;
  for (const WholeTime& whole : wholes) {
    const std::string text = to_text(whole.precision, layers, precisions);
    timed.push_back({text, whole.ms, whole.spread});
    const auto model = additive.scheme_ms(whole.precision, layers, precisions);
    if (model.complete && whole.ms > 0.0) fitted.residuals.push_back({text, whole.ms, model.ms});
  }
  fitted.table = LatencyTable(measured.place, other, std::move(rows), boundary, std::move(timed));
  return fitted;
}

}  // namespace qsweep
