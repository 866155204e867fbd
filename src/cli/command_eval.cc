#include <cmath>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/log.h"

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/outputs.h"
#include "src/cli/preset_options.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/fs/file_system.h"
#include "io/fs/outputs.h"
#include "io/json/json.h"

#include "sweep/run/annotate.h"
#include "sweep/run/driver.h"

namespace qsweep {
namespace {

struct Options {
  DataOptions data;
  PresetOptions preset;
  std::string scheme;
  std::string predictions;
  std::string annotated;
};

/// A figure that nothing defines (AP of large objects where there are none) is null.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

std::string to_json(const SingleEvaluation& e) {
  Json json{{"model", e.model.name}, {"model_sha256", e.model.sha256}, {"images", e.images}};
  for (std::size_t i = 0; i < e.metrics.size(); ++i) json[e.metrics[i].name] = number(e.values[i]);
  for (std::size_t i = 0; i < e.correct.size(); ++i)
    json[e.metrics[i].name + "_correct"] = e.correct[i];
  json.update({{"ci_low", e.ci_low},
               {"ci_high", e.ci_high},
               {"baseline_" + e.metrics.front().name, e.baseline},
               {"drop", e.drop},
               {"drop_low", e.drop_low},
               {"drop_high", e.drop_high},
               {"kl", e.mean_kl},
               {"scheme", e.scheme_text},
               {"scheme_id", e.scheme_id},
               {"seconds", e.seconds}});
  return json.text();
}

std::string to_text(const SingleEvaluation& e) {
  std::string text = fmt::format("{}  {}\n", e.model.name, e.scheme_text);
  for (std::size_t i = 0; i < e.metrics.size(); ++i) {
    if (!std::isfinite(e.values[i])) continue;
    text += e.metrics[i].title + " ";
    if (i < e.correct.size()) text += fmt::format("{}/{} = ", e.correct[i], e.images);
    text += fmt::format("{:.2f} %", 100 * e.values[i]);
    if (i == 0)
      text += fmt::format("  (95 % interval {:.2f} .. {:.2f})", 100 * e.ci_low, 100 * e.ci_high);
    text += "\n";
  }
  if (e.scheme_text != "*=FP32") {
    const double relative = e.baseline > 0 ? 100 * e.drop / e.baseline : 0.0;
    text += fmt::format(
        "Accuracy drop: {:.4f} ({:.2f}%) against the float model, 95 % interval {:+.4f} .. "
        "{:+.4f}\n",
        e.drop, relative, e.drop_low, e.drop_high);
  }
  return text + fmt::format("{:.2f} s\n", e.seconds);
}

void check_places(const Options& o, const JobConfig& job) {
  Outputs outputs;
  if (!o.predictions.empty()) outputs.files.emplace_back(o.predictions);
  if (!o.annotated.empty()) {
    if (job.task != "detection" || job.evaluation.format != "coco") {
      throw Error(ErrorCode::config, "only detections can be drawn", "--save-annotated",
                  "Evaluate a detector on coco: data");
    }
    check_not_input(o.annotated, data_spec(job.evaluation).paths);
    outputs.folders.emplace_back(o.annotated);
  }
  std::vector<std::filesystem::path> inputs;
  if (const auto rules = rules_file(o.preset); !rules.empty()) inputs.push_back(rules);
  check_outputs(std::move(outputs), job, std::move(inputs));
}

}  // namespace

void add_eval_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("eval", "The task metric of the float model or of one scheme");
  add_data_options(*command, options->data);
  CLI::Option* scheme = command->add_option(
      "--scheme", options->scheme,
      "Precisions by layer: '*=W4A8; conv1=FP16; re:stack3.*=W8A8' (default: float)");
  add_preset_options(*command, options->preset, scheme);
  command->add_option(
      "--predictions", options->predictions,
      "Write what the model says: index,label,top1,margin per image as CSV, or detections as "
      "COCO results JSON");
  command->add_option("--save-annotated", options->annotated,
                      "Draw the detections of at least 0.25 into copies of the pictures, as PNG "
                      "files in this folder");
  command->footer(
      "Examples:\n"
      "  qsweep eval resnet8.onnx --data cifar10:test.bin --json\n"
      "  qsweep eval resnet8.onnx --data cifar10:test.bin --scheme '*=W8A8' --calib "
      "cifar10:train.bin\n"
      "  qsweep eval resnet8.onnx --data cifar10:test.bin --preset INT8_DEFAULT_CFG --calib "
      "cifar10:train.bin\n"
      "  qsweep eval net.onnx --data cifar10:test.bin --scale 255 --mean 0.485,0.456,0.406 --std "
      "0.229,0.224,0.225\n"
      "  qsweep eval yolox_nano.onnx --data coco:val2017,instances_val2017.json --predictions "
      "found.json");
  command->callback([options, &invocation] {
    invocation.flags = options->data.flags.names();
    invocation.action = [options, &invocation] {
      return with_ranks([&](Session& session) {
        ProgressLine progress;
        const JobConfig job = to_job(options->data, overrides_of(options->preset));
        check_preset(options->preset, job);
        check_places(*options, job);
        const SingleEvaluation e = evaluate_once(job, options->scheme, session, progress);
        if (!options->predictions.empty())
          real_file_system().replace(options->predictions, e.verdict->predictions());
        if (!options->annotated.empty()) {
          const std::int64_t drawn = save_annotated(*e.workload, *e.verdict, options->annotated);
          log_info(fmt::format("{} pictures drawn in {}", drawn, options->annotated));
        }
        print(invocation.json ? to_json(e) : to_text(e));
        return kExitOk;
      });
    };
  });
}

}  // namespace qsweep
