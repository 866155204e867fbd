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
  std::vector<std::vector<std::string>> rows = {{"layer", "precision", "ms", "source", "kernel"}};
  for (const auto& l : r.latency)
    rows.push_back({l.layer, l.precision, fmt::format("{:.4f}", l.ms), l.source, l.kernel});
  return render_notices(r) +
         fmt::format("device: {}; outside layers: {:.4f} ms\n\n", r.latency_device,
                     r.latency_other_ms) +
         render_table(rows);
}

}  // namespace

void add_latency_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* command = app.add_subcommand("latency",
                                         "The latency table of a run: measured on this machine's "
                                         "kernels, a device's roofline, or a file");
  add_job_options(*command, *options);
  command->footer("Example:\n  qsweep latency job.yaml --out runs/r8");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] {
      return run_stage(
          load_job(*options), options->out, StageId::latency, [&](const RunOutcome& outcome) {
            print(invocation.json ? render_results_json(outcome.results, conclude(outcome.results))
                                  : to_text(outcome.results));
          });
    };
  });
}

}  // namespace qsweep
