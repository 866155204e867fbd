#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/grid_options.h"
#include "src/cli/outputs.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/report/report.h"

#include "sweep/run/driver.h"

namespace qsweep {
namespace {

std::string to_text(const RunResults& r) {
  return render_front_table(r);
}

struct Options {
  JobOptions job;
  GridOptions grid;
};

/// Every model's sweep, one after another; a run found in its directory is continued.
ExitCode sweep_grid(const Options& o, bool json) {
  const std::vector<GridRun> runs = to_runs(o.grid, overrides_of(o.job));
  return with_ranks([&](Session& session) {
    for (const GridRun& run : runs) {
      Outputs outputs{.files = {}, .folders = {run.directory}};
      if (!run.logs.empty()) outputs.folders.push_back(run.logs);
      check_outputs(std::move(outputs), run.job);
    }
    ExitCode worst = kExitOk;
    for (const GridRun& run : runs) {
      ProgressLine progress;
      const RunOutcome outcome =
          run_job(run.job, {.directory = run.directory, .last = StageId::sweep, .logs = run.logs},
                  session, progress);
      if (json) {
        print(render_pareto_json(outcome.results));
      } else {
        print(fmt::format("{}\n{}\n", run.directory.string(), to_text(outcome.results)));
      }
      if (outcome.failed > 0) worst = kExitPartial;
    }
    return worst;
  });
}

}  // namespace

void add_sweep_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("sweep", "Evaluate the job's schemes (top-K families, lists)");
  JobOptionFlags flags = add_job_options(*command, options->job);
  add_preset_options(*command, options->job.preset);
  flags.job->required(false);
  flags.out->required(false)->needs(flags.job);
  add_grid_options(*command, options->grid, flags.job);
  command->footer(
      "Examples:\n"
      "  qsweep sweep job.yaml --out runs/r8\n"
      "  qsweep sweep --models yolov10m.onnx --output-root tmp/sweep --weight-dtypes int4 int8 \\\n"
      "    --act-dtypes fp8 fp16 --granularities per_layer per_channel --imgsz 640 \\\n"
      "    --data coco:val2017,instances.json --calib coco:train2017,train.json");
  command->callback([options, &invocation] {
    const bool is_grid = !options->grid.models.empty();
    if (is_grid) invocation.flags = options->grid.data.flags.names();
    if (!is_grid && options->job.job.empty()) throw CLI::RequiredError("job, or --models,");
    if (!is_grid && options->job.out.empty()) throw CLI::RequiredError("--out");
    invocation.action = [options, is_grid, &invocation] {
      if (is_grid) return sweep_grid(*options, invocation.json);
      return run_stage(
          load_job(options->job), options->job.out, StageId::sweep, [&](const RunOutcome& outcome) {
            print(invocation.json ? render_pareto_json(outcome.results) : to_text(outcome.results));
          });
    };
  });
}

}  // namespace qsweep
