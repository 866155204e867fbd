#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/outputs.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/json/json.h"
#include "io/report/report.h"

#include "sweep/run/driver.h"

namespace qsweep {
namespace {

struct Options {
  DataOptions data;  ///< `data.model` may be a job file
  std::string out;
  std::vector<std::string> set;
  std::vector<std::int64_t> sizes;
  std::string scheme = "*=W8A8";
};

std::string to_text(const RunResults& r) {
  std::vector<std::vector<std::string>> rows = {{"tensor"}};
  for (const CalibratorKind kind : all_calibrators()) rows[0].emplace_back(name_of(kind));
  for (const char* title : {"amax/p99.9", "clipped", "codes", "best"}) rows[0].emplace_back(title);
  const CalibratorKind chosen = parse_calibrator(r.calibrator);
  for (const auto& c : r.calibration_stats) {
    std::vector<std::string> row = {c.tensor};
    if (c.ranges.choices.empty()) {
      row.push_back(fmt::format("{:.4g} .. {:.4g}", c.min, c.max));
      row.resize(rows[0].size());
      rows.push_back(row);
      continue;
    }
    for (const auto& choice : c.ranges.choices)
      row.push_back(fmt::format("{:.4g} .. {:.4g}", choice.low, choice.high));
    const auto& used = c.ranges.of(chosen);
    row.push_back(fmt::format("{:.2f}", c.ranges.outlier_ratio));
    row.push_back(fmt::format("{:.3g} %", 100.0 * used.clipped));
    row.push_back(fmt::format("{:.0f} %", 100.0 * used.codes_used));
    row.emplace_back(name_of(c.ranges.best));
    rows.push_back(row);
  }
  std::string out = render_table(rows);
  out += fmt::format(
      "\n{} images of {} ({}). Clipped values and codes used are those of {}; `best` has the least "
      "expected 8-bit error.\n",
      r.calibration.images, r.calibration.spec, r.calibration.sampling, r.calibrator);
  for (const std::string& warning : r.calibration_warnings) out += "warning: " + warning + "\n";
  return out;
}

/// Any file of another name may be a model, save one that is no file, as a pipe.
bool is_job_file(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  std::error_code code;
  return extension == ".yaml" || extension == ".yml" ||
         (std::filesystem::exists(path, code) && !std::filesystem::is_regular_file(path, code));
}

/// Without --data nothing is evaluated, whatever the model's task: the calibration images stand in
/// for the evaluation data that a job has.
std::pair<JobConfig, WorkloadUse> job_of(const Options& o) {
  if (is_job_file(o.data.model))
    return {load_job(o.data.model, o.set, overrides_of(o.data)), WorkloadUse::evaluate};
  JobConfig job = to_job(o.data);
  if (job.calibration.format.empty()) {
    throw Error(ErrorCode::usage, "--calib is missing", {},
                "Name the calibration images, e.g. --calib cifar10:train.bin");
  }
  if (!job.evaluation.format.empty()) return {job, WorkloadUse::evaluate};
  job.evaluation = job.calibration;
  job.evaluation.cache.clear();
  job.evaluation.images = 1;
  job.evaluation.sampling = "first";
  return {job, WorkloadUse::calibrate};
}

ExitCode study_sizes(const Options& o, bool json) {
  const auto [opened, use] = job_of(o);
  const JobConfig& job = opened;  // clang cannot capture a structured binding
  if (use != WorkloadUse::evaluate)
    throw Error(ErrorCode::usage, "--sizes needs evaluation images", {}, "Add --data");
  return with_ranks([&](Session& session) {
    std::vector<std::vector<std::string>> rows = {
        {"calibration images", "metric", "drop", "95 % interval", "KL"}};
    Json list = Json::array();
    for (const std::int64_t size : o.sizes) {
      JobConfig sized = job;
      sized.calibration.images = size;
      sized.calibration.cache.clear();
      ProgressLine progress;
      const SingleEvaluation e = evaluate_once(sized, o.scheme, session, progress);
      const std::string count =
          e.correct.empty() ? "" : fmt::format("{}/{} = ", e.correct.front(), e.images);
      rows[0][1] = e.metrics.front().title;
      rows.push_back({std::to_string(size),
                      fmt::format("{}{:.2f} %", count, 100 * e.values.front()),
                      fmt::format("{:.4f}", e.drop),
                      fmt::format("{:+.4f} .. {:+.4f}", e.drop_low, e.drop_high),
                      fmt::format("{:.3g}", e.mean_kl)});
      list.push_back({{"calibration_images", size},
                      {"scheme", e.scheme_text},
                      {"calibrator", sized.quantization.calibrator},
                      {"images", e.images},
                      {e.metrics.front().name, e.values.front()},
                      {"drop", e.drop},
                      {"drop_low", e.drop_low},
                      {"drop_high", e.drop_high},
                      {"kl", e.mean_kl}});
      if (!e.correct.empty()) list.back()[e.metrics.front().name + "_correct"] = e.correct.front();
    }
    print(json ? list.text() : render_table(rows));
    return kExitOk;
  });
}

ExitCode calibrate(const Options& o, bool json) {
  const auto show = [json](const RunResults& results) {
    print(json ? render_calibration_json(results) : to_text(results));
  };
  if (!o.out.empty()) {
    if (!is_job_file(o.data.model))
      throw Error(ErrorCode::usage, "--out is for job files", {}, "Name a job, or drop --out");
    return run_stage(load_job(o.data.model, o.set, overrides_of(o.data)), o.out, StageId::baseline,
                     [&](const RunOutcome& outcome) { show(outcome.results); });
  }
  const auto [job, use] = job_of(o);
  return with_ranks([&, &job = job, use = use](Session& session) {
    check_outputs({}, job);
    ProgressLine progress;
    show(calibrate_once(job, use, session, progress));
    return kExitOk;
  });
}

}  // namespace

void add_calibrate_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "calibrate", "The range of every layer input by every calibrator, and what looks wrong");
  add_data_options(*command, options->data);
  command->get_option("model")->description(
      "ONNX model, or a job file (YAML), whose keys the flags override");
  command->get_option("--data")->required(false);
  command->add_option("-o,--out", options->out,
                      "With a job file: its run directory, which keeps the statistics");
  command->add_option("--set", options->set, "With a job file: override a key")->take_all();
  command
      ->add_option("--sizes", options->sizes,
                   "Evaluate --scheme after calibrating with so many images each: 100,256,512")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command->add_option("--scheme", options->scheme, "For --sizes")->capture_default_str();
  command->footer(
      "Examples:\n"
      "  qsweep calibrate job.yaml --out runs/r8\n"
      "  qsweep calibrate resnet8.onnx --calib cifar10:train.bin --cache r8.ranges\n"
      "  qsweep calibrate resnet8.onnx --calib cifar10:train.bin --data cifar10:test.bin --sizes "
      "100,256,512");
  command->callback([options, &invocation] {
    invocation.flags = options->data.flags.names();
    invocation.action = [options, &invocation] {
      return options->sizes.empty() ? calibrate(*options, invocation.json)
                                    : study_sizes(*options, invocation.json);
    };
  });
}

}  // namespace qsweep
