#include <filesystem>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/cli/command.h"
#include "src/cli/table.h"

#include "io/report/report.h"

#include "sweep/plan/conclusions.h"
#include "sweep/run/driver.h"

namespace qsweep {

void add_report_command(CLI::App& app, Invocation& invocation) {
  auto directory = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("report", "Write the report files of a run anew from its journal");
  command->add_option("dir", *directory, "Run directory")->required();
  command->footer("Example:\n  qsweep report runs/r8");
  command->callback([directory, &invocation] {
    invocation.action = [directory, &invocation] {
      const RunResults results = rebuild_reports(*directory);
      print(invocation.json
                ? render_results_json(results, conclude(results))
                : render_notices(results) +
                      fmt::format("report: {}\n",
                                  (std::filesystem::path(*directory) / "report.html").string()));
      return kExitOk;
    };
  });
}

}  // namespace qsweep
