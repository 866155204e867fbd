// report.html: the page's parts, with the results as one JSON island that the page's script draws.
#include <set>
#include <utility>
#include <vector>

#include "src/base/error.h"

#include "src/results/conclusions.h"
#include "src/results/views.h"

#include "io/report/detail/assets.h"
#include "io/report/detail/json.h"
#include "io/report/report.h"

namespace qsweep {
namespace {

using report::Json;
using view::Evaluation;

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

/// A page of more schemes than this opens slowly and shows no more; the tables have them all.
constexpr std::size_t kMostDrawn = 2'000;

/// The schemes of the page: all, or of too many those that matter (float, the front, the
/// decision's, failures) and an even choice of the others along the cost axis.
std::vector<const Evaluation*> drawn_schemes(const RunResults& results, const Decision& decision) {
  const std::vector<const Evaluation*> all = view::all_schemes(results);
  if (all.size() <= kMostDrawn) return all;
  std::set<const Evaluation*> drawn = {&results.baseline, decision.recommended};
  for (const Choice& choice : decision.choices) drawn.insert(choice.scheme);
  for (const ProfileVerdict& verdict : decision.profiles) drawn.insert(verdict.scheme);
  for (const Evaluation* e : all) {
    if (e->on_front || !view::is_ok(*e)) drawn.insert(e);
  }
  const std::vector<const Evaluation*> points = view::points(results);
  const std::size_t step = points.size() / kMostDrawn + 1;
  for (std::size_t i = 0; i < points.size(); i += step) drawn.insert(points[i]);
  std::vector<const Evaluation*> in_order;
  for (const Evaluation* e : all) {
    if (drawn.contains(e)) in_order.push_back(e);
  }
  return in_order;
}

Json page_data(const RunResults& results, const Conclusions& conclusions) {
  const Decision& decision = conclusions.decision;
  Json data;
  data["model"] = report::to_json(results.model);
  data["dataset"] = report::datasets_json(results, false);
  data["settings"] = report::settings_json(results);
  data["metric_title"] = view::metric_title(results.metric);
  data["cost_axis"] = name_of(view::cost_axis(results));
  data["decision"] = report::to_json(results, decision);
  data["layers"] = Json::array();
  for (const RunResults::Layer& layer : results.layers) {
    data["layers"].push_back({{"name", layer.name},
                              {"op", layer.op},
                              {"group", layer.group},
                              {"weight_shape", layer.weight_shape},
                              {"macs", layer.macs},
                              {"parameters", layer.parameters}});
  }
  data["schemes"] = Json::array();
  data["evaluated"] = view::all_schemes(results).size();
  for (const Evaluation* e : drawn_schemes(results, decision)) {
    Json scheme = report::to_json(results, *e);
    scheme["baseline"] = e == &results.baseline;
    scheme["precision"] = e->precision;
    if (e->on_front || e == &results.baseline) scheme["class_metric"] = e->class_metric;
    data["schemes"].push_back(std::move(scheme));
  }
  data["classes"] = Json::array();
  for (std::size_t i = 0; i < results.baseline.class_metric.size(); ++i) {
    data["classes"].push_back(view::class_name(results, i));
  }
  data["sensitivity"] = report::sensitivity_json(results);
  data["explanations"] = report::explanations_json(results, conclusions.explanations);
  data["groups"] = report::groups_json(results);
  data["latency"] = report::latency_json(results);
  data["remarks"] = results.remarks;
  return data;
}

/// Fills each {{NAME}} of the skeleton; what is filled in is not searched again.
std::string filled(std::string_view skeleton,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string page;
  while (true) {
    const std::size_t open = skeleton.find("{{");
    if (open == std::string_view::npos) break;
    const std::size_t close = skeleton.find("}}", open);
    QSWEEP_CHECK(close != std::string_view::npos);
    const std::string_view name = skeleton.substr(open + 2, close - open - 2);
    page += skeleton.substr(0, open);
    for (const auto& [key, value] : values) {
      if (key == name) page += value;
    }
    skeleton.remove_prefix(close + 2);
  }
  page += skeleton;
  return page;
}

/// Part of the page itself, not drawn by its script: what must be read first.
std::string notices_html(const RunResults& results) {
  std::string html;
  for (const std::string& notice : view::notices(results))
    html += "<p class=\"notice\" role=\"alert\">" + escaped(notice) + "</p>\n";
  return html;
}

}  // namespace

std::string render_html(const RunResults& results, const Conclusions& conclusions) {
  return filled(report::kPageHtml,
                {{"TITLE", escaped(results.model.name)},
                 {"NOTICES", notices_html(results)},
                 {"STYLE", report::kPageStyle},
                 {"DATA", report::to_script_text(page_data(results, conclusions))},
                 {"CHART", report::kChartScript},
                 {"SCRIPT", report::kPageScript}});
}

}  // namespace qsweep
