#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/preset_options.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/fs/file_system.h"

#include "sweep/run/driver.h"

namespace qsweep {
namespace {

struct Options {
  DataOptions data;
  PresetOptions preset;
  std::string scheme;
  std::string predictions;
};

double share(std::int64_t part, std::int64_t whole) {
  return whole ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

std::string to_json(const SingleEvaluation& e) {
  return nlohmann::ordered_json{{"model", e.model.name},
                                {"model_sha256", e.model.sha256},
                                {"images", e.images},
                                {"top1", share(e.top1_correct, e.images)},
                                {"top5", share(e.top5_correct, e.images)},
                                {"top1_correct", e.top1_correct},
                                {"top5_correct", e.top5_correct},
                                {"ci_low", e.ci_low},
                                {"ci_high", e.ci_high},
                                {"baseline_top1", e.baseline_top1},
                                {"drop", e.drop},
                                {"drop_low", e.drop_low},
                                {"drop_high", e.drop_high},
                                {"kl", e.mean_kl},
                                {"scheme", e.scheme_text},
                                {"scheme_id", e.scheme_id},
                                {"seconds", e.seconds}}
             .dump(2) +
         "\n";
}

std::string to_text(const SingleEvaluation& e) {
  std::string text = fmt::format("{}  {}\n", e.model.name, e.scheme_text);
  text +=
      fmt::format("top-1 {}/{} = {:.2f} %  (95 % interval {:.2f} .. {:.2f})\n", e.top1_correct,
                  e.images, 100 * share(e.top1_correct, e.images), 100 * e.ci_low, 100 * e.ci_high);
  text += fmt::format("top-5 {}/{} = {:.2f} %\n", e.top5_correct, e.images,
                      100 * share(e.top5_correct, e.images));
  if (e.scheme_text != "*=FP32") {
    const double relative = e.baseline_top1 > 0 ? 100 * e.drop / e.baseline_top1 : 0.0;
    text += fmt::format(
        "Accuracy drop: {:.4f} ({:.2f}%) against the float model, 95 % interval {:+.4f} .. "
        "{:+.4f}\n",
        e.drop, relative, e.drop_low, e.drop_high);
  }
  return text + fmt::format("{:.2f} s\n", e.seconds);
}

std::string to_csv(const SingleEvaluation& e) {
  std::string csv = "index,label,top1,margin\n";
  for (const auto& p : e.predictions)
    csv += fmt::format("{},{},{},{}\n", p.index, p.label, p.top1, p.margin);
  return csv;
}

}  // namespace

void add_eval_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("eval", "The task metric of the float model or of one scheme");
  add_data_options(*command, options->data);
  add_preset_options(*command, options->preset);
  command
      ->add_option("--scheme", options->scheme,
                   "Precisions by layer: '*=W4A8; conv1=FP16; re:stack3.*=W8A8' (default: float)")
      ->excludes("--preset")
      ->excludes("--rules")
      ->excludes("--family")
      ->excludes("--quantize-mode");
  command->add_option("--predictions", options->predictions,
                      "Write index,label,top1,margin per image to this CSV file");
  command->footer(
      "Examples:\n"
      "  qsweep eval resnet8.onnx --data cifar10:test.bin --json\n"
      "  qsweep eval resnet8.onnx --data cifar10:test.bin --scheme '*=W8A8' --calib "
      "cifar10:train.bin\n"
      "  qsweep eval resnet8.onnx --data cifar10:test.bin --preset INT8_DEFAULT_CFG --calib "
      "cifar10:train.bin\n"
      "  qsweep eval net.onnx --data cifar10:test.bin --scale 255 --mean 0.485,0.456,0.406 --std "
      "0.229,0.224,0.225");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] {
      return with_ranks([&](Transport& transport, const std::atomic<bool>& stop) {
        ProgressLine progress;
        JobConfig job = to_job(options->data);
        apply(options->preset, options->data.algorithm, job);
        const SingleEvaluation e = evaluate_once(job, options->scheme, transport, progress, stop);
        if (!options->predictions.empty())
          real_file_system().replace(options->predictions, to_csv(e));
        print(invocation.json ? to_json(e) : to_text(e));
        return kExitOk;
      });
    };
  });
}

}  // namespace qsweep
