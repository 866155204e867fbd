#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "src/base/text.h"

#include "src/results/conclusions.h"
#include "src/results/views.h"

#include "io/report/detail/json.h"
#include "io/report/report.h"

namespace qsweep {
namespace {

using view::Evaluation;
using view::Sensitivity;

constexpr std::size_t kMostSensitive = 10;

/// Text inside a Markdown table cell: a pipe would end the cell, a line break the table.
std::string cell(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '|') safe += '\\';
    safe += c == '\n' || c == '\r' ? ' ' : c;
  }
  return safe;
}

class Page {
 public:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  void blank() { text_ += '\n'; }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void summary(Page& page, const RunResults& results, const Decision& decision) {
  const Evaluation& base = results.baseline;
  page.line("## Summary");
  page.blank();
  page.line("- {} in float: {:.2f} % [{:.2f}, {:.2f}] on {} images ({:g} % interval)",
            view::metric_title(results.metric), base.metric * 100, base.ci_low * 100,
            base.ci_high * 100, base.images, results.confidence * 100);
  page.line("- Verdict: **{}**. {}", decision.verdict, decision.headline);
  for (const std::string& advice : decision.advice) page.line("- {}", advice);
  page.line("- Model: `{}` (sha256 `{}`), opset {}, {} layers, {} parameters, {} MACs",
            results.model.name, results.model.sha256, results.model.opset, results.layers.size(),
            results.model.parameters, results.model.macs);
  const auto schemes = view::all_schemes(results);
  const auto failed = std::count_if(schemes.begin(), schemes.end(),
                                    [](const Evaluation* e) { return !view::is_ok(*e); });
  page.line("- Schemes: {} evaluated, {} on the front, {} failed or skipped",
            schemes.size() - static_cast<std::size_t>(failed), view::front(results).size(), failed);
  page.blank();
}

void dataset(Page& page, const RunResults& results) {
  page.line("## Dataset");
  page.blank();
  page.line("| Use | Data | Images | Sampling | Digest |");
  page.line("| --- | --- | ---: | --- | --- |");
  const auto row = [&](std::string_view use, const RunResults::Dataset& d) {
    page.line("| {} | {} | {} | {} | `{}` |", use, cell(d.spec), d.images, cell(d.sampling),
              d.digest);
  };
  row("calibration", results.calibration);
  row("evaluation", results.evaluation);
  page.blank();
}

void quantization(Page& page, const RunResults& results) {
  page.line("## Quantization");
  page.blank();
  page.line("- Calibrator: {}", results.calibrator);
  page.line("- Layer score: {}", results.score);
  page.line("- Precisions: {}", join(results.precisions, ", "));
  if (results.sensitivity_base) {
    const Evaluation& base = *results.sensitivity_base;
    page.line("- Sensitivity base: {} on every layer, {} {:.2f} %, {} against float", base.name,
              view::metric_title(results.metric), base.metric * 100,
              view::drop_text(base.drop, base.drop_low, base.drop_high));
  }
  page.line("- BatchNorms folded: {}", results.model.batch_norms_folded);
  page.blank();
}

std::string figure(fmt::format_string<double&> format, double value) {
  return std::isfinite(value) ? fmt::format(format, value) : std::string("-");
}

void table(Page& page, const RunResults& results, std::string_view mode) {
  page.line(
      "| Layer | Precision | Num Bits | Sensitivity | Size Cost | KL | SQNR dB | Cosine | QDQ "
      "error | "
      "{} drop | Class |",
      view::metric_title(results.metric));
  page.line("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |");
  for (const Sensitivity* row : view::ranked(results, mode)) {
    page.line("| {} | {} | {:.1f} | {} | {} | {} | {} | {} | {} | {} | {}{} |", cell(row->layer),
              row->precision, static_cast<double>(view::format_names(row->precision).weight_bits),
              figure("{:.3e}", view::score_of(results, *row)), row->size_cost,
              figure("{:.3e}", row->kl), figure("{:.2f}", row->sqnr_db),
              figure("{:.6f}", row->cosine), figure("{:.3e}", row->qdq_error),
              view::drop_text(row->metric_drop, row->ci_low, row->ci_high), row->sensitivity_class,
              row->nonfinite ? " (NaN or infinity)" : "");
  }
  page.blank();
}

/// Layers that were ranked and swept as one.
void ties(Page& page, const RunResults& results) {
  const auto tied = view::tied_layers(results);
  if (tied.empty()) return;
  page.line("Tied layers share one precision; the run of the first stands for all:");
  page.blank();
  for (const auto& names : tied) page.line("- {}", cell(join(names, ", ")));
  page.blank();
}

void most_sensitive(Page& page, const RunResults& results) {
  for (const std::string& precision : view::probed_precisions(results, "only")) {
    page.line("### Most Sensitive Layers: {}", precision);
    page.blank();
    page.line("```");
    const auto rows = view::ranked(results, "only", precision);
    for (std::size_t i = 0; i < rows.size() && i < kMostSensitive; ++i) {
      const auto relative =
          view::relative_percent(rows[i]->metric_drop, view::sensitivity_base(results).metric);
      page.line("{}: degradation={:+.4f} ({})", rows[i]->layer, rows[i]->metric_drop,
                relative ? fmt::format("{:+.1f}%", *relative) : std::string("baseline is 0"));
    }
    page.line("```");
    page.blank();
  }
}

void explanations(Page& page, const RunResults& results, const std::vector<Explanation>& found) {
  for (const Explanation& x : found) {
    page.line("## Why {} Everywhere Fails", x.precision);
    page.blank();
    page.line("{}", x.headline);
    page.blank();
    page.line("| Layer | Kind | Group | Share of the error | {} drop | Measured there |",
              view::metric_title(results.metric));
    page.line("| --- | --- | --- | ---: | ---: | --- |");
    for (const Explanation::Cause& cause : x.causes) {
      page.line("| {} | {}{} | {} | {:.1f} % | {} | {} |", cell(cause.layer->name),
                cause.layer->depthwise ? "depthwise " : "", cause.layer->op,
                cell(cause.layer->group), 100.0 * cause.share,
                figure("{:+.4f}", cause.row->metric_drop), cell(join(cause.reasons, "; ")));
    }
    page.blank();
    for (const std::string& text : x.consequences) page.line("- {}", text);
    if (!x.consequences.empty()) page.blank();
  }
}

/// What the rows of a mode are, above its table.
void only_lead(Page& page, const RunResults& results) {
  const std::string metric = view::metric_title(results.metric);
  const double confidence = results.confidence * 100;
  if (!results.sensitivity_base) {
    page.line(
        "Only this layer quantized, everything else float; most sensitive first. Drops are {} "
        "points lost against float with their {:g} % intervals; positive = worse.",
        metric, confidence);
    return;
  }
  const std::string& base = results.sensitivity_base->name;
  page.line(
      "Only this layer at the precision, everything else at {}; most sensitive first. Drops are {} "
      "points lost against {} on every layer with their {:g} % intervals; positive = worse. KL and "
      "output errors are against float, so they hold those of {} too; errors of the layer itself "
      "are not taken behind other quantized layers.",
      base, metric, base, confidence, base);
}

void all_but_lead(Page& page, const RunResults& results) {
  const std::string base =
      results.sensitivity_base ? "at " + results.sensitivity_base->name : "float";
  page.line(
      "This layer {}, everything else {}; largest score first: keeping the layers at the bottom {} "
      "helps most.",
      base, results.sensitivity_base ? "at the precision" : "quantized",
      results.sensitivity_base ? base : "in float");
}

void groups(Page& page, const RunResults& results) {
  if (results.groups.empty()) return;
  page.line("## Layer Groups");
  page.blank();
  if (results.sensitivity_base) {
    page.line("Of single layers changed from {} on every layer.", results.sensitivity_base->name);
    page.blank();
  }
  page.line("| Layer Group | Sensitivity | Speed Impact | Recommendation | Layers | {} drop | KL |",
            view::metric_title(results.metric));
  page.line("| --- | --- | ---: | --- | ---: | ---: | ---: |");
  for (const RunResults::Group& group : results.groups) {
    page.line("| {} | {} | {:.1f} % | {} | {} | {} | {} |", cell(group.name),
              group.sensitivity_class, group.work_share * 100, cell(group.recommendation),
              group.layers, figure("{:+.4f}", group.drop), figure("{:.3e}", group.kl));
  }
  page.blank();
}

void findings(Page& page, const RunResults& results, const Decision& decision) {
  if (results.remarks.empty() && decision.diagnosis.empty()) return;
  page.line("## Findings");
  page.blank();
  for (const std::string& remark : results.remarks) page.line("- {}", remark);
  for (const std::string& item : decision.diagnosis) page.line("- Diagnosis: {}", item);
  page.blank();
}

}  // namespace

std::string render_sensitivity_markdown(const RunResults& results, const Conclusions& conclusions) {
  Page page;
  page.line("# Layer sensitivity: {}", results.model.name);
  page.blank();
  for (const std::string& notice : view::notices(results)) {
    page.line("> **{}**", notice);
    page.blank();
  }
  summary(page, results, conclusions.decision);
  dataset(page, results);
  quantization(page, results);
  explanations(page, results, conclusions.explanations);
  page.line("## Layer Sensitivity Table");
  page.blank();
  only_lead(page, results);
  page.blank();
  table(page, results, "only");
  ties(page, results);
  most_sensitive(page, results);
  if (!view::probed_precisions(results, "all_but").empty()) {
    page.line("### All But This Layer");
    page.blank();
    all_but_lead(page, results);
    page.blank();
    table(page, results, "all_but");
  }
  groups(page, results);
  findings(page, results, conclusions.decision);
  return page.take();
}

}  // namespace qsweep
