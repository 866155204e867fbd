#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "src/results/conclusions.h"
#include "src/results/results.h"

/// Results as JSON values in a fixed key order. NaN and infinity become null.
namespace qsweep::report {

using Json = nlohmann::ordered_json;

/// Indented text with a final line break; invalid UTF-8 (names come from model files) is replaced.
[[nodiscard]] std::string to_text(const Json& json);
/// One line, and safe inside <script>: every `<` is written as an escape.
[[nodiscard]] std::string to_script_text(const Json& json);

/// What every document of results begins with: {complete, alarms}, and where the run is not
/// complete a sentence on how far it is (`incomplete`).
[[nodiscard]] Json preamble_json(const RunResults& results);
[[nodiscard]] Json to_json(const RunResults::Model& model);
[[nodiscard]] Json to_json(const RunResults::Dataset& dataset, bool with_sample_ids);
/// {calibration, evaluation}, with digests.
[[nodiscard]] Json datasets_json(const RunResults& results, bool with_sample_ids);
/// Task, metric and its direction, calibrator, score, confidence, precisions.
[[nodiscard]] Json settings_json(const RunResults& results);
/// {layer, num_bits, sensitivity, size_cost} (R234) and ours: precision, mode, rank, errors, drop.
[[nodiscard]] Json to_json(const RunResults& results, const RunResults::Sensitivity& row);
[[nodiscard]] Json sensitivity_json(const RunResults& results);
[[nodiscard]] Json groups_json(const RunResults& results);
/// One object each.
[[nodiscard]] Json explanations_json(const RunResults& results,
                                     const std::vector<Explanation>& explanations);
/// A scheme with its figures; a failed one with its reason instead. No predictions, times or
/// confusion.
[[nodiscard]] Json to_json(const RunResults& results, const RunResults::Evaluation& evaluation);
[[nodiscard]] Json to_json(const RunResults& results, const Decision& decision);
/// {cost_axis, ..., front, points} (pareto.json).
[[nodiscard]] Json pareto_json(const RunResults& results);
[[nodiscard]] Json latency_json(const RunResults& results);

}  // namespace qsweep::report
