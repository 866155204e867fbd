// The JSON documents.
#include "src/base/error.h"

#include "src/results/views.h"

#include "io/report/detail/json.h"
#include "io/report/detail/manifest.h"
#include "io/report/detail/tables.h"
#include "io/report/report.h"

namespace qsweep {
namespace {

using report::Json;
using report::to_json;
using view::Evaluation;
using view::Sensitivity;

/// What sweep_index.{csv,json} list: the baseline, then all evaluations, each scheme once.
Json index_rows(const RunResults& results, bool successes) {
  Json rows = Json::array();
  const auto add = [&](const Evaluation& e) {
    if (view::is_ok(e) == successes) rows.push_back(to_json(results, e));
  };
  add(results.baseline);
  for (const Evaluation& e : results.evaluations) {
    if (e.kind != "scheme" || e.id != results.baseline.id) add(e);
  }
  return rows;
}

Json layer_formats(const RunResults& results, const Evaluation& e) {
  Json layers = Json::array();
  for (std::size_t i = 0; i < results.layers.size() && i < e.precision.size(); ++i) {
    const std::string precision = view::precision_name(results, e.precision[i]);
    const view::FormatNames names = view::format_names(precision);
    layers.push_back({{"layer", results.layers[i].name},
                      {"op", results.layers[i].op},
                      {"precision", precision},
                      {"weight_dtype", names.weight},
                      {"weight_granularity", names.granularity},
                      {"weight_bits", names.weight_bits},
                      {"act_dtype", names.activation},
                      {"act_bits", names.activation_bits}});
  }
  return layers;
}

std::size_t quantized_layers(const RunResults& results, const Evaluation& e) {
  std::size_t count = 0;
  for (const std::uint8_t index : e.precision) {
    count += view::precision_name(results, index) != "FP32" ? 1U : 0U;
  }
  return count;
}

Json layers_json(const RunResults& results) {
  Json rows = Json::array();
  for (const RunResults::Layer& layer : results.layers) {
    rows.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"group", layer.group},
                    {"weight_shape", layer.weight_shape},
                    {"output_shape", layer.output_shape},
                    {"macs", layer.macs},
                    {"parameters", layer.parameters},
                    {"depthwise", layer.depthwise}});
  }
  return rows;
}

Json ledger_json(const RunResults::Ledger& ledger) {
  Json json = {{"ranks", ledger.ranks},           {"tasks", ledger.tasks.size()},
               {"work_done", ledger.work_done},   {"work_without_reuse", ledger.work_without_reuse},
               {"peak_bytes", ledger.peak_bytes}, {"stage_seconds", Json::object()}};
  for (const auto& [stage, seconds] : ledger.stage_seconds) json["stage_seconds"][stage] = seconds;
  return json;
}

/// The named configuration and what it expands to, so that the name need not be known to read it.
Json configuration_json(const RunResults& results) {
  Json rules = Json::array();
  for (const std::string& rule : results.rules) rules.push_back(Json::parse("{" + rule + "}"));
  return {{"preset", results.preset.empty() ? Json() : Json(results.preset)},
          {"algorithm", results.algorithm},
          {"rules", rules}};
}

}  // namespace

std::string render_sensitivity_json(const RunResults& results, const Conclusions& conclusions) {
  Json json = report::preamble_json(results);
  json["scheme"] = conclusions.decision.recommended->text;
  json["model"] = to_json(results.model);
  json["dataset"] = report::datasets_json(results, false);
  json["quantization"] = {{"calibrator", results.calibrator}, {"precisions", results.precisions}};
  json["run_config"] = report::settings_json(results);
  json["autoquant_state"] = nullptr;
  json["layer_sensitivity"] = report::sensitivity_json(results);
  json["baseline"] = to_json(results, results.baseline);
  json["groups"] = report::groups_json(results);
  if (const auto tied = view::tied_layers(results); !tied.empty()) json["tied_layers"] = tied;
  json["explanations"] = report::explanations_json(results, conclusions.explanations);
  json["remarks"] = results.remarks;
  return report::to_text(json);
}

std::string render_pareto_json(const RunResults& results) {
  return report::to_text(report::pareto_json(results));
}

std::string render_decision_json(const RunResults& results, const Conclusions& conclusions) {
  return report::to_text(to_json(results, conclusions.decision));
}

std::string render_manifest_json(const RunResults& results, const Conclusions& conclusions) {
  return report::manifest_json(results, conclusions, {});
}

std::string render_results_json(const RunResults& results, const Conclusions& conclusions) {
  Json json = report::preamble_json(results);
  json["model"] = to_json(results.model);
  json["dataset"] = report::datasets_json(results, true);
  json["settings"] = report::settings_json(results);
  json["layers"] = layers_json(results);
  json["sensitivity"] = report::sensitivity_json(results);
  json["groups"] = report::groups_json(results);
  json["baseline"] = to_json(results, results.baseline);
  json["evaluations"] = Json::array();
  for (const Evaluation& e : results.evaluations)
    json["evaluations"].push_back(to_json(results, e));
  json["pareto"] = report::pareto_json(results);
  json["decision"] = to_json(results, conclusions.decision);
  json["latency"] = report::latency_json(results);
  json["remarks"] = results.remarks;
  json["provenance"] = Json::object();
  for (const auto& [name, value] : results.provenance) json["provenance"][name] = value;
  json["ledger"] = ledger_json(results.ledger);
  return report::to_text(json);
}

namespace report {

std::string sweep_index_json(const RunResults& results) {
  Json json = preamble_json(results);
  json["successes"] = index_rows(results, true);
  json["failures"] = index_rows(results, false);
  return to_text(json);
}

std::string failures_json(const RunResults& results) {
  Json json = preamble_json(results);
  json["failures"] = index_rows(results, false);
  return to_text(json);
}

std::string manifest_json(const RunResults& results,
                          const Conclusions& conclusions,
                          std::span<const Artifact> artifacts) {
  const Evaluation& chosen = *conclusions.decision.recommended;
  Json json = preamble_json(results);
  json["scheme"] = chosen.text;
  json["scheme_id"] = chosen.id;
  json["model"] = to_json(results.model);
  json["dataset"] = datasets_json(results, true);
  json["num_quantized_layers"] = quantized_layers(results, chosen);
  json["layers"] = layer_formats(results, chosen);
  json["autoquant_state"] = nullptr;
  json["layer_sensitivity"] = sensitivity_json(results);
  json["sensitivity_ranking"] = Json::array();
  for (const std::string& precision : view::probed_precisions(results, "only")) {
    int rank = 0;
    for (const Sensitivity* row : view::ranked(results, "only", precision)) {
      json["sensitivity_ranking"].push_back({{"rank", ++rank},
                                             {"layer", row->layer},
                                             {"precision", precision},
                                             {"sensitivity", view::score_of(results, *row)}});
    }
  }
  json["activation_ranges"] = Json::array();
  for (const RunResults::Calibration& stats : results.calibration_stats) {
    json["activation_ranges"].push_back({{"tensor", stats.tensor},
                                         {"layer", stats.layer},
                                         {"min", stats.min},
                                         {"max", stats.max},
                                         {"images", stats.images}});
  }
  json["front"] = Json::array();
  for (const Evaluation* e : view::front(results)) {
    json["front"].push_back({{"scheme_id", e->id}, {"scheme", e->text}});
  }
  json["settings"] = settings_json(results);
  json["quantization"] = configuration_json(results);
  json["environment"] = Json::object();
  for (const auto& [name, value] : results.provenance) json["environment"][name] = value;
  json["files"] = Json::array();
  for (const Artifact& artifact : artifacts) {
    json["files"].push_back(
        {{"path", artifact.path}, {"bytes", artifact.bytes}, {"sha256", artifact.sha256}});
  }
  return to_text(json);
}

}  // namespace report
}  // namespace qsweep
