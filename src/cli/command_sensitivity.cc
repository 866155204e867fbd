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

#include "io/report/report.h"

#include "sweep/plan/conclusions.h"
#include "sweep/run/driver.h"

namespace qsweep {
namespace {

std::string to_text(const RunResults& r) {
  return render_sensitivity_markdown(r, conclude(r));
}

}  // namespace

void add_sensitivity_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* command = app.add_subcommand(
      "sensitivity",
      "Every layer at every precision: output KL, local errors, metric drop; ranked");
  add_job_options(*command, *options);
  add_preset_options(*command, options->preset);
  command->footer(
      "Examples:\n"
      "  qsweep sensitivity job.yaml --out runs/r8\n"
      "What lowering one layer costs in an all-INT8 network:\n"
      "  qsweep sensitivity job.yaml --out runs/r8 --set sensitivity.base=W8A8 \\\n"
      "    --set sensitivity.precisions=[W4A8]");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] {
      return run_stage(
          load_job(*options), options->out, StageId::sensitivity, [&](const RunOutcome& outcome) {
            print(invocation.json
                      ? render_sensitivity_json(outcome.results, conclude(outcome.results))
                      : to_text(outcome.results));
          });
    };
  });
}

}  // namespace qsweep
