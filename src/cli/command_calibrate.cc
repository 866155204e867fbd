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
  std::vector<std::vector<std::string>> rows = {{"tensor", "layer", "min", "max", "images"}};
  for (const auto& c : r.calibration_stats) {
    rows.push_back({c.tensor, c.layer, fmt::format("{:.5g}", c.min), fmt::format("{:.5g}", c.max),
                    std::to_string(c.images)});
  }
  std::string out = render_table(rows);
  for (const std::string& remark : r.remarks) out += "\n" + remark + "\n";
  return out;
}

}  // namespace

void add_calibrate_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* command = app.add_subcommand("calibrate",
                                         "Activation ranges and histograms of every layer input, "
                                         "in one streaming pass over the ranks");
  add_job_options(*command, *options);
  command->footer("Example:\n  qsweep calibrate job.yaml --out runs/r8");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] {
      return run_stage(*options, Stage::baseline, [&](const RunOutcome& outcome) {
        print(invocation.json ? render_results_json(outcome.results) : to_text(outcome.results));
      });
    };
  });
}

}  // namespace qsweep
