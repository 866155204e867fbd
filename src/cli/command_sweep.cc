#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/report/report.h"

#include "sweep/run/driver.h"

namespace qsweep {
namespace {

std::string to_text(const RunResults& r) {
  return render_front_table(r);
}

}  // namespace

void add_sweep_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* command =
      app.add_subcommand("sweep", "Evaluate the job's schemes (top-K families, lists)");
  add_job_options(*command, *options);
  add_preset_options(*command, options->preset);
  command->footer("Example:\n  qsweep sweep job.yaml --out runs/r8");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] {
      return run_stage(*options, Stage::sweep, [&](const RunOutcome& outcome) {
        print(invocation.json ? render_pareto_json(outcome.results) : to_text(outcome.results));
      });
    };
  });
}

}  // namespace qsweep
