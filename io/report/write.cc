#include <utility>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/hash.h"

#include "src/results/views.h"

#include "io/fs/file_system.h"
#include "io/report/detail/manifest.h"
#include "io/report/detail/tables.h"
#include "io/report/report.h"

namespace qsweep {

void write_reports(FileSystem& files,
                   const std::filesystem::path& directory,
                   const RunResults& results,
                   const Conclusions& conclusions,
                   std::span<const std::string> other_files) {
  std::vector<report::Artifact> artifacts;
  std::vector<std::string> texts;
  const auto write = [&](const std::string& name, std::string text) {
    artifacts.push_back({name, text.size(), sha256_hex(text)});
    texts.push_back(std::move(text));
  };
  files.create_directories(directory / "outputs");
  write("layer-sensitivity-report.md", render_sensitivity_markdown(results, conclusions));
  write("layer-sensitivity-report.json", render_sensitivity_json(results, conclusions));
  write("outputs/sweep_index.csv", render_sweep_index_csv(results));
  write("outputs/sweep_index.json", report::sweep_index_json(results));
  write("outputs/failures.json", report::failures_json(results));
  write("outputs/per_class.csv", report::per_class_csv(results));
  if (!results.baseline.confusion.empty()) {
    write("outputs/confusion_float.csv", report::confusion_csv(results, results.baseline));
  }
  for (const view::Evaluation* e : view::front(results)) {
    if (e == &results.baseline || e->confusion.empty()) continue;
    write("outputs/confusion_" + e->id + ".csv", report::confusion_csv(results, *e));
  }
  if (!results.calibration_stats.empty())
    write("calibration.json", render_calibration_json(results));
  write("latency.csv", render_latency_csv(results));
  write("pareto.csv", render_pareto_csv(results));
  write("pareto.json", render_pareto_json(results));
  write("tradeoff.csv", render_tradeoff_csv(results));
  write("decision.json", render_decision_json(results, conclusions));
  write("report.html", render_html(results, conclusions));
  for (const std::string& name : other_files) {
    const Bytes contents = files.read(directory / name);
    artifacts.push_back({name, contents.size(), sha256_hex(contents)});
  }
  const std::string manifest = report::manifest_json(results, conclusions, artifacts);
  std::vector<NewFile> all;
  for (std::size_t i = 0; i < texts.size(); ++i)
    all.push_back({directory / artifacts[i].path, as_bytes(texts[i])});
  all.push_back({directory / "manifest.json", as_bytes(manifest)});  // it vouches for the others
  files.replace(all);
}

}  // namespace qsweep
