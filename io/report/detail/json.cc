#include "io/report/detail/json.h"

#include <cmath>

#include <fmt/format.h>

#include "src/results/views.h"

namespace qsweep::report {

using view::Evaluation;
using view::Sensitivity;

namespace {

Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json reference(const RunResults& results, const Evaluation* e) {
  if (e == nullptr) return nullptr;
  return {{"scheme_id", e->id},
          {"name", view::label_of(*e)},
          {"scheme", e->text},
          {results.metric, e->metric},
          {"drop", e->drop},
          {"latency_ms", e->latency_source.empty() ? Json(nullptr) : Json(e->latency_ms)},
          {"latency_source", e->latency_source},
          {"latency_is_estimate", view::is_estimate(*e)},
          {"size_bytes", e->size_bytes}};
}

}  // namespace

std::string to_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_script_text(const Json& json) {
  std::string safe;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

Json preamble_json(const RunResults& results) {
  Json json = {{"complete", view::is_complete(results)}, {"alarms", Json::array()}};
  if (!view::is_complete(results)) json["incomplete"] = view::completeness_text(results);
  for (const RunResults::Alarm& alarm : results.alarms) json["alarms"].push_back(alarm.text);
  return json;
}

Json to_json(const RunResults::Model& model) {
  return {{"name", model.name},
          {"path", model.path},
          {"sha256", model.sha256},
          {"opset", model.opset},
          {"input_shape", model.input_shape},
          {"parameters", model.parameters},
          {"macs", model.macs},
          {"float_bytes", model.float_bytes},
          {"batch_norms_folded", model.batch_norms_folded}};
}

Json to_json(const RunResults::Dataset& dataset, bool with_sample_ids) {
  Json json = {{"spec", dataset.spec},
               {"digest", dataset.digest},
               {"images", dataset.images},
               {"sampling", dataset.sampling}};
  if (with_sample_ids) json["sample_ids"] = dataset.sample_ids;
  return json;
}

Json datasets_json(const RunResults& results, bool with_sample_ids) {
  return {{"calibration", to_json(results.calibration, with_sample_ids)},
          {"evaluation", to_json(results.evaluation, with_sample_ids)}};
}

Json settings_json(const RunResults& results) {
  Json json = {{"task", results.task},
               {"metric", results.metric},
               {"direction", "higher_is_better"},
               {"degradation", "positive = worse"},
               {"confidence", results.confidence},
               {"calibrator", results.calibrator},
               {"score", results.score},
               {"precisions", results.precisions},
               {"layers", results.layers.size()},
               {"objectives", results.objectives}};
  if (results.sensitivity_base)
    json["sensitivity_base"] = reference(results, &*results.sensitivity_base);
  return json;
}

Json to_json(const RunResults& results, const Sensitivity& row) {
  Json json = {{"layer", row.layer},
               {"num_bits", view::format_names(row.precision).weight_bits},
               {"sensitivity", view::score_of(results, row)},
               {"size_cost", row.size_cost},
               {"precision", row.precision},
               {"mode", row.mode},
               {"rank", row.rank},
               {"score", view::score_of(results, row)},
               {"degradation", row.metric_drop},
               {"relative", optional_json(view::relative_percent(
                                row.metric_drop, view::sensitivity_base(results).metric))},
               {results.metric, row.metric},
               {"ci_low", row.ci_low},
               {"ci_high", row.ci_high},
               {"distinguishable", !view::contains_zero(row.ci_low, row.ci_high)},
               {"kl", row.kl},
               {"sqnr_db", row.sqnr_db},
               {"mse", row.mse},
               {"cosine", row.cosine},
               {"qdq_error", row.qdq_error},
               {"output_mse", row.output_mse},
               {"class", row.sensitivity_class},
               {"nonfinite", row.nonfinite}};
  if (results.sensitivity_base) json["base"] = results.sensitivity_base->name;
  return json;
}

Json sensitivity_json(const RunResults& results) {
  Json rows = Json::array();
  for (const std::string_view mode : {"only", "all_but"}) {
    for (const Sensitivity* row : view::ranked(results, mode))
      rows.push_back(to_json(results, *row));
  }
  return rows;
}

Json groups_json(const RunResults& results) {
  Json rows = Json::array();
  for (const RunResults::Group& group : results.groups) {
    rows.push_back({{"group", group.name},
                    {"sensitivity", group.sensitivity_class},
                    {"speed_impact", group.work_share},
                    {"recommendation", group.recommendation},
                    {"drop", group.drop},
                    {"kl", group.kl},
                    {"layers", group.layers}});
  }
  return rows;
}

Json explanations_json(const RunResults& results, const std::vector<Explanation>& explanations) {
  Json rows = Json::array();
  for (const Explanation& x : explanations) {
    Json causes = Json::array();
    for (const Explanation::Cause& cause : x.causes) {
      causes.push_back({{"layer", cause.layer->name},
                        {"op", cause.layer->op},
                        {"depthwise", cause.layer->depthwise},
                        {"group", cause.layer->group},
                        {"share", cause.share},
                        {"drop", cause.row->metric_drop},
                        {"reasons", cause.reasons}});
    }
    Json remedies = Json::array();
    for (const Explanation::Remedy& remedy : x.remedies) {
      remedies.push_back(reference(results, remedy.scheme));
      remedies.back()["quantized_layers"] = remedy.quantized;
    }
    rows.push_back({{"precision", x.precision},
                    {"headline", x.headline},
                    {"uniform", reference(results, x.uniform)},
                    {"score", x.score},
                    {"total", x.total},
                    {"together", x.together},
                    {"carriers", x.carriers},
                    {"covered", x.covered},
                    {"broken", x.broken},
                    {"causes", causes},
                    {"remedies", remedies},
                    {"consequences", x.consequences}});
  }
  return rows;
}

Json to_json(const RunResults& results, const Evaluation& e) {
  Json json = {{"scheme_id", e.id}, {"name", view::label_of(e)}, {"scheme", e.text},
               {"kind", e.kind},    {"status", e.status},        {"images", e.images}};
  if (!view::is_ok(e)) {
    json["reason"] = e.reason;
    return json;
  }
  json[results.metric] = e.metric;
  json["ci_low"] = e.ci_low;
  json["ci_high"] = e.ci_high;
  for (std::size_t i = 0; i < results.other_metrics.size(); ++i)
    json[results.other_metrics[i]] = view::other_of(e, i);
  json["drop"] = e.drop;
  json["drop_low"] = e.drop_low;
  json["drop_high"] = e.drop_high;
  json["drop_se"] = e.drop_se;
  json["p_value"] = e.p_value;
  json["relative_drop_percent"] =
      optional_json(view::relative_percent(e.drop, results.baseline.metric));
  json["distinguishable"] = !view::contains_zero(e.drop_low, e.drop_high);
  json["kl"] = e.kl;
  json["agreement"] = e.agreement;
  json["size_bytes"] = e.size_bytes;
  json["effective_bits"] = e.effective_bits;
  json["bops"] = e.bops;
  json["latency_ms"] = e.latency_source.empty() ? Json(nullptr) : Json(e.latency_ms);
  json["latency_source"] = e.latency_source;
  json["latency_is_estimate"] = view::is_estimate(e);
  json["images_per_second"] = view::images_per_second(results, e);
  json["front"] = e.on_front;
  json["inseparable"] = e.inseparable;
  return json;
}

Json to_json(const RunResults& results, const Decision& decision) {
  Json json = preamble_json(results);
  json["verdict"] = decision.verdict;
  json["accuracy_verdict"] = decision.accuracy_verdict;
  json["headline"] = decision.headline;
  json["cost_axis"] = name_of(view::cost_axis(results));
  json["latency_source"] = results.latency_source;
  json["latency"] = view::latency_label(results);
  const Evaluation& e = *decision.recommended;
  Json recommended = reference(results, &e);
  recommended["drop_low"] = e.drop_low;
  recommended["drop_high"] = e.drop_high;
  recommended["absolute_degradation"] = e.drop;
  recommended["relative_degradation_percent"] =
      optional_json(view::relative_percent(e.drop, results.baseline.metric));
  recommended["distinguishable"] = !view::contains_zero(e.drop_low, e.drop_high);
  json["recommended"] = std::move(recommended);
  json["baseline"] = reference(results, &results.baseline);
  for (const Choice& choice : decision.choices) {
    json["choices"][choice.use] = {{"question", choice.question},
                                   {"scheme", reference(results, choice.scheme)}};
  }
  json["profiles"] = Json::array();
  for (const ProfileVerdict& profile : decision.profiles) {
    json["profiles"].push_back({{"profile", name_of(profile.profile)},
                                {"limit", profile.limit},
                                {"acceptance", name_of(profile.acceptance)},
                                {"certain", profile.is_certain},
                                {"text", profile.text},
                                {"scheme", reference(results, profile.scheme)}});
  }
  json["advice"] = decision.advice;
  json["diagnosis"] = decision.diagnosis;
  return json;
}

Json pareto_json(const RunResults& results) {
  Json json = preamble_json(results);
  json["cost_axis"] = name_of(view::cost_axis(results));
  json["metric"] = results.metric;
  json["confidence"] = results.confidence;
  json["latency_source"] = results.latency_source;
  json["latency_device"] = results.latency_device;
  json["latency"] = view::latency_label(results);
  json["note"] = "inseparable: within two paired standard errors of the next point of the front";
  json["baseline"] = results.baseline.id;
  json["front"] = Json::array();
  for (const Evaluation* e : view::front(results)) json["front"].push_back(to_json(results, *e));
  json["points"] = Json::array();
  for (const Evaluation* e : view::points(results)) json["points"].push_back(to_json(results, *e));
  return json;
}

Json latency_json(const RunResults& results) {
  Json json = {{"label", view::latency_label(results)},
               {"device", results.latency_device},
               {"source", results.latency_source},
               {"batch", results.latency_batch},
               {"threads", results.latency_threads},
               {"other_ms", results.latency_other_ms},
               {"boundary_ms", results.latency_boundary_ms},
               {"whole_files", results.latency_schemes.size()},
               {"rows", Json::array()}};
  for (const RunResults::Latency& row : results.latency) {
    json["rows"].push_back({{"layer", row.layer},
                            {"precision", row.precision},
                            {"ms", row.ms},
                            {"mean_ms", row.mean_ms},
                            {"p95_ms", row.p95_ms},
                            {"p99_ms", row.p99_ms},
                            {"source", row.source},
                            {"kernel", row.kernel}});
  }
  return json;
}

}  // namespace qsweep::report
