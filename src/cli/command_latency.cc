#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"
#include "src/results/views.h"

#include "io/report/report.h"

#include "sweep/plan/conclusions.h"
#include "sweep/run/driver.h"
#include "sweep/run/import_latency.h"
#include "sweep/run/latency_kit.h"

namespace qsweep {
namespace {

struct Options {
  JobOptions job;
  std::string kit, python;
  std::vector<std::string> imports;
};

std::string to_text(const RunResults& r) {
  std::vector<std::vector<std::string>> rows = {{"layer", "precision", "ms", "source", "kernel"}};
  for (const auto& l : r.latency)
    rows.push_back({l.layer, l.precision, fmt::format("{:.4f}", l.ms), l.source, l.kernel});
  for (const auto& s : r.latency_schemes)
    rows.push_back({s.layer, s.precision, fmt::format("{:.4f}", s.ms), s.source, s.kernel});
  const std::string label = view::latency_label(r);
  if (label.empty()) return render_notices(r) + "latency: none known\n";
  return render_notices(r) +
         fmt::format("latency: {}\noutside layers: {:.4f} ms{}\n\n", label, r.latency_other_ms,
                     r.latency_boundary_ms > 0.0
                         ? fmt::format("; a change of precision: {:.4f} ms", r.latency_boundary_ms)
                         : std::string()) +
         render_table(rows);
}

std::string to_text(const LatencyImport& import) {
  std::string text = fmt::format("latency: {}\n{} schemes by the time of their whole file\n",
                                 view::latency_label(import.results), import.files);
  std::vector<double> errors;
  for (const LatencyResidual& r : import.residuals) errors.push_back(std::abs(r.relative()));
  std::ranges::sort(errors);
  if (!errors.empty()) {
    text += fmt::format(
        "additive model against whole files: median error {:.1f} %, largest {:.1f} % of {}; a "
        "change of precision takes {:.4f} ms\n",
        100.0 * errors[errors.size() / 2], 100.0 * errors.back(), errors.size(),
        import.results.latency_boundary_ms);
  }
  for (const std::string& remark : import.remarks) text += remark + "\n";
  return text + "\n" + render_front_table(import.results);
}

void show(const Invocation& invocation, const RunResults& results, const std::string& text) {
  print(invocation.json ? render_results_json(results, conclude(results)) : text);
}

/// A run directory: its table, a kit for a device, figures from one.
ExitCode on_directory(const Options& o, const Invocation& invocation) {
  std::vector<std::string> imports = o.imports;
  if (!o.kit.empty()) {
    ProgressLine progress;
    const LatencyKit kit = write_latency_kit(o.job.job, o.kit, progress);
    std::string text = fmt::format("{}: {} model files, {} images; read its README.md\n",
                                   kit.folder.string(), kit.models, kit.images);
    for (const std::string& sentence : kit.left_out) text += sentence + "\n";
    if (o.python.empty()) {
      print(invocation.json ? fmt::format("{{\"kit\": \"{}\", \"models\": {}, \"images\": {}}}\n",
                                          kit.folder.string(), kit.models, kit.images)
                            : text);
      if (imports.empty()) return kExitOk;
    } else {
      imports.push_back(measure_kit(o.kit, o.python).string());
    }
  }
  if (imports.empty()) {
    const RunResults results = load_results(o.job.job);
    show(invocation, results, to_text(results));
    return kExitOk;
  }
  const LatencyImport import = import_latency(o.job.job, imports);
  show(invocation, import.results, to_text(import));
  return kExitOk;
}

ExitCode on_job(const Options& o, const Invocation& invocation) {
  if (!o.kit.empty() || !o.imports.empty()) {
    throw Error(ErrorCode::usage, "this is no run directory", o.job.job,
                "--kit and --import take the directory of a finished run");
  }
  if (o.job.out.empty()) {
    throw Error(ErrorCode::usage, "a job needs the run directory too", "--out",
                "Add --out DIR, or name the directory of a run in place of the job");
  }
  return run_stage(load_job(o.job), o.job.out, StageId::latency, [&](const RunOutcome& outcome) {
    show(invocation, outcome.results, to_text(outcome.results));
  });
}

}  // namespace

void add_latency_command(CLI::App& app, Invocation& invocation) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "latency",
      "The latency table of a run: measured on its target device, on this machine's kernels, a "
      "device's roofline, or a file");
  const JobOptionFlags flags = add_job_options(*command, o->job);
  flags.job->description("Run directory, or a job file (YAML) with --out");
  flags.out->required(false);
  CLI::Option* kit = command->add_option(
      "--kit", o->kit,
      "Write a folder to copy to the device: model files and scripts that measure");
  command
      ->add_option("--measure", o->python,
                   "Measure the kit here with this Python (NumPy, onnxruntime), and import it")
      ->needs(kit);
  command
      ->add_option("--import", o->imports,
                   "Take over times measured elsewhere: a kit's JSON, trtexec's log, profile and "
                   "layer information, an ONNX Runtime profile, CSV (layer,format,ms or "
                   "scheme,ms). SCHEME=FILE where a file does not say what it is of")
      ->take_all();
  command->footer(
      "Examples:\n"
      "  qsweep latency runs/r8                                  the table\n"
      "  qsweep latency runs/r8 --kit kit                        a folder for the device\n"
      "  qsweep latency runs/r8 --import measurements.json       what it measured\n"
      "  qsweep latency runs/r8 --kit kit --measure python3      all of it on this machine\n"
      "  qsweep latency job.yaml --out runs/r8                   measure qsweep's own kernels");
  command->callback([o, &invocation] {
    invocation.action = [o, &invocation] {
      return std::filesystem::is_directory(o->job.job) ? on_directory(*o, invocation)
                                                       : on_job(*o, invocation);
    };
  });
}

}  // namespace qsweep
