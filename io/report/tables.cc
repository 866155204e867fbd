// The CSV files and the front as text.
#include "io/report/detail/tables.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/results/views.h"

#include "io/report/detail/csv.h"
#include "io/report/detail/json.h"
#include "io/report/report.h"

namespace qsweep {
namespace {

using report::Csv;
using report::number;
using view::Evaluation;
using view::FormatNames;
using view::Sensitivity;

constexpr std::size_t kTopLayers = 5;

std::string yes(bool value) {
  return value ? "1" : "0";
}

std::string latency_cell(const Evaluation& e) {
  return e.latency_source.empty() ? std::string() : number(e.latency_ms);
}

/// The distinct formats of a scheme's layers in layer order: `int4+float16`.
struct SchemeFormats {
  std::string weight, activation, granularity;
};
SchemeFormats scheme_formats(const RunResults& results, const Evaluation& e) {
  std::vector<std::string> weight, activation, granularity;
  const auto add = [](std::vector<std::string>& to, const std::string& name) {
    if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
  };
  const std::set<std::uint8_t> used(e.precision.begin(), e.precision.end());
  for (const std::uint8_t index : used) {
    if (index >= results.precisions.size()) continue;
    const FormatNames names = view::format_names(results.precisions[index]);
    add(weight, names.weight);
    add(activation, names.activation);
    add(granularity, names.granularity);
  }
  return {join(weight, "+"), join(activation, "+"), join(granularity, "+")};
}

/// `layer:score;...` of the layers most sensitive to the scheme's base precision (R235).
std::string top_layers(const RunResults& results, const Evaluation& e) {
  std::vector<std::string> parts;
  for (const Sensitivity* row : view::ranked(results, "only", view::base_precision(results, e))) {
    if (parts.size() == kTopLayers) break;
    const double score = view::score_of(results, *row);
    parts.push_back(row->layer + ":" + (std::isfinite(score) ? fmt::format("{:.3e}", score) : ""));
  }
  return join(parts, ";");
}

std::vector<std::string> index_row(const RunResults& results,
                                   const Evaluation& e,
                                   std::string_view kind) {
  const bool ok = view::is_ok(e);
  const auto figure = [&](double value) { return ok ? number(value) : std::string(); };
  const SchemeFormats formats = scheme_formats(results, e);
  std::vector<std::string> row = {
      std::string(kind), e.id, e.text, e.name, fmt::format("{}", e.images), figure(e.metric)};
  for (std::size_t i = 0; i < results.other_metrics.size(); ++i)
    row.push_back(figure(view::other_of(e, i)));
  const std::vector<std::string> rest = {figure(e.ci_low),
                                         figure(e.ci_high),
                                         figure(e.drop),
                                         figure(e.drop_low),
                                         figure(e.drop_high),
                                         figure(e.kl),
                                         figure(e.agreement),
                                         fmt::format("{}", e.size_bytes),
                                         number(e.effective_bits),
                                         latency_cell(e),
                                         e.latency_source,
                                         yes(e.on_front),
                                         e.status,
                                         results.model.name,
                                         formats.weight,
                                         formats.activation,
                                         formats.granularity,
                                         view::base_precision(results, e),
                                         fmt::format("{:.3f}", e.elapsed_s),
                                         "outputs",
                                         "logs",
                                         top_layers(results, e),
                                         e.reason};
  row.insert(row.end(), rest.begin(), rest.end());
  return row;
}

/// Columns a terminal sees: code points, not bytes (the text holds `±`).
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// Columns padded to their widest cell: the first and last to the left, figures to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      if (i != 0) line += "  ";
      line += i == 0 || i + 1 == row.size() ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string points_text(double fraction) {
  return fmt::format("{:+.2f}", fraction * 100);
}

}  // namespace

std::string render_sweep_index_csv(const RunResults& results) {
  std::vector<std::string> header = {"kind", "scheme_id", "scheme",
                                     "name", "images",    results.metric};
  header.insert(header.end(), results.other_metrics.begin(), results.other_metrics.end());
  for (const char* name :
       {"ci_low",    "ci_high",    "drop",           "drop_low",   "drop_high",      "kl",
        "agreement", "size_bytes", "effective_bits", "latency_ms", "latency_source", "front",
        "status",    "model",      "weight_dtype",   "act_dtype",  "granularity",    "base_format",
        "elapsed_s", "out_dir",    "log_path",       "top_layers", "reason"}) {
    header.emplace_back(name);
  }
  Csv csv(header);
  csv.row(index_row(results, results.baseline, "scheme"));
  for (const Evaluation& e : results.evaluations) {
    const bool is_baseline = e.kind == "scheme" && e.id == results.baseline.id;
    if (!is_baseline) csv.row(index_row(results, e, e.kind));
  }
  return csv.text();
}

std::string render_pareto_csv(const RunResults& results) {
  Csv csv({"scheme_id", "name", "scheme", "cost_axis", "latency_ms", "images_per_second",
           "latency_source", "size_bytes", "effective_bits", results.metric, "ci_low", "ci_high",
           "drop", "drop_low", "drop_high", "kl", "images", "front", "inseparable"});
  const std::string axis(view::name_of(view::cost_axis(results)));
  for (const Evaluation* e : view::points(results)) {
    csv.row({e->id, view::label_of(*e), e->text, axis, latency_cell(*e),
             number(view::images_per_second(results, *e)), e->latency_source,
             fmt::format("{}", e->size_bytes), number(e->effective_bits), number(e->metric),
             number(e->ci_low), number(e->ci_high), number(e->drop), number(e->drop_low),
             number(e->drop_high), number(e->kl), fmt::format("{}", e->images), yes(e->on_front),
             yes(e->inseparable)});
  }
  return csv.text();
}

std::string render_tradeoff_csv(const RunResults& results) {
  Csv csv({"config", "accuracy", "latency_ms", "efficiency", "scheme_id", "ci_low", "ci_high",
           "drop", "size_bytes", "effective_bits", "latency_source", "front", "images_per_second"});
  for (const Evaluation* e : view::all_schemes(results)) {
    if (!view::is_ok(*e)) continue;
    const bool has_latency = !e->latency_source.empty() && e->latency_ms > 0.0;
    csv.row({view::label_of(*e), number(e->metric), latency_cell(*e),
             has_latency ? number(e->metric / e->latency_ms) : std::string(), e->id,
             number(e->ci_low), number(e->ci_high), number(e->drop),
             fmt::format("{}", e->size_bytes), number(e->effective_bits), e->latency_source,
             yes(e->on_front), number(view::images_per_second(results, *e))});
  }
  return csv.text();
}

std::string render_latency_csv(const RunResults& results) {
  Csv csv({"device", "layer", "precision", "ms", "source", "kernel", "batch", "threads", "mean_ms",
           "p95_ms", "p99_ms"});
  const std::string batch = fmt::format("{}", results.latency_batch);
  const std::string threads =
      results.latency_threads > 0 ? fmt::format("{}", results.latency_threads) : std::string();
  const auto row = [&](const RunResults::Latency& r) {
    csv.row({results.latency_device, r.layer, r.precision, number(r.ms), r.source, r.kernel, batch,
             threads, number(r.mean_ms), number(r.p95_ms), number(r.p99_ms)});
  };
  if (!results.latency_source.empty()) {
    row({.layer = "*",
         .precision = "*",
         .source = results.latency_source,
         .kernel = "everything outside layers",
         .ms = results.latency_other_ms});
  }
  if (results.latency_boundary_ms > 0.0) {
    row({.layer = "*",
         .precision = "boundary",
         .source = "fitted",
         .kernel = "a change of precision",
         .ms = results.latency_boundary_ms});
  }
  for (const RunResults::Latency& r : results.latency_schemes) row(r);
  for (const RunResults::Latency& r : results.latency) row(r);
  return csv.text();
}

std::string render_notices(const RunResults& results) {
  std::string text;
  for (const std::string& notice : view::notices(results)) text += notice + "\n";
  return text.empty() ? text : text + "\n";
}

std::string render_front_table(const RunResults& results) {
  const std::vector<const Evaluation*> front = view::front(results);
  if (front.empty())
    return render_notices(results) + "No scheme is on the front: none was evaluated.\n";
  const bool has_latency = view::has_latency(results);
  std::vector<std::string> header = {"scheme"};
  const bool has_speed = has_latency && results.latency_batch != 1;
  if (has_latency) header.emplace_back("latency ms");
  if (has_speed) header.emplace_back("images/s");
  for (const std::string& name :
       {view::metric_title(results.metric) + " %", std::string("drop (points)"),
        std::string("size"), std::string("bits"), std::string("note")}) {
    header.push_back(name);
  }
  std::vector<std::vector<std::string>> rows = {header};
  bool any_inseparable = false;
  bool any_zero = false;
  for (const Evaluation* e : front) {
    const bool is_baseline = e == &results.baseline;
    const bool is_zero = !is_baseline && view::contains_zero(e->drop_low, e->drop_high);
    any_inseparable = any_inseparable || e->inseparable;
    any_zero = any_zero || is_zero;
    std::vector<std::string> row = {view::label_of(*e)};
    if (has_latency)
      row.push_back(fmt::format("{:.3f}{}", e->latency_ms, view::is_estimate(*e) ? "*" : ""));
    if (has_speed) row.push_back(fmt::format("{:.1f}", view::images_per_second(results, *e)));
    row.push_back(fmt::format("{:.2f} ± {:.2f}", e->metric * 100, (e->ci_high - e->ci_low) * 50));
    row.push_back(is_baseline ? "float" : points_text(e->drop));
    row.push_back(
        human_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(e->size_bytes, 0))));
    row.push_back(fmt::format("{:.2f}", e->effective_bits));
    row.push_back(std::string(is_zero ? "≈0" : "") + (is_zero && e->inseparable ? " " : "") +
                  (e->inseparable ? "~" : ""));
    rows.push_back(row);
  }
  std::string text = render_notices(results) + aligned(rows);
  if (has_latency &&
      std::ranges::any_of(front, [](const auto* e) { return view::is_estimate(*e); }))
    text += " *  latency estimated by a model, not measured\n";
  if (any_zero) text += "≈0  drop not distinguishable from 0\n";
  if (any_inseparable)
    text += " ~  inseparable from the next line: within two paired standard errors\n";
  text += fmt::format(" ±  {:g} % interval over {} images\n", results.confidence * 100,
                      results.baseline.images);
  text += has_latency ? fmt::format("latency: {}\n", view::latency_label(results))
                      : std::string("latency: none known, so the front is size against metric\n");
  if (has_latency && view::cost_axis(results) == view::CostAxis::size)
    text += "front: size against metric, as the objectives say\n";
  return text;
}

namespace report {

std::string per_class_csv(const RunResults& results) {
  Csv csv({"scheme_id", "scheme", "class_index", "class", results.metric + "_float", results.metric,
           "delta"});
  const std::vector<double>& reference = results.baseline.class_metric;
  for (const Evaluation* e : view::front(results)) {
    if (e->class_metric.size() != reference.size()) continue;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      csv.row({e->id, view::label_of(*e), fmt::format("{}", i), view::class_name(results, i),
               number(reference[i]), number(e->class_metric[i]),
               number(e->class_metric[i] - reference[i])});
    }
  }
  return csv.text();
}

std::string confusion_csv(const RunResults& results, const Evaluation& e) {
  const auto classes =
      static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(e.confusion.size()))));
  QSWEEP_CHECK(classes * classes == e.confusion.size());
  std::vector<std::string> header = {"label"};
  for (std::size_t i = 0; i < classes; ++i) header.push_back(view::class_name(results, i));
  Csv csv(header);
  for (std::size_t label = 0; label < classes; ++label) {
    std::vector<std::string> row = {view::class_name(results, label)};
    for (std::size_t i = 0; i < classes; ++i) {
      row.push_back(fmt::format("{}", e.confusion[label * classes + i]));
    }
    csv.row(row);
  }
  return csv.text();
}

}  // namespace report
}  // namespace qsweep
