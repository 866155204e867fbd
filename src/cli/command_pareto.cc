#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "src/cli/command.h"
#include "src/cli/table.h"

#include "io/report/report.h"

#include "sweep/run/driver.h"

namespace qsweep {

void add_pareto_command(CLI::App& app, Invocation& invocation) {
  auto directory = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("pareto", "The latency-vs-accuracy front of a run, with its uncertainty");
  command->add_option("dir", *directory, "Run directory")->required();
  command->footer("Example:\n  qsweep pareto runs/r8 --json");
  command->callback([directory, &invocation] {
    invocation.action = [directory, &invocation] {
      const RunResults results = load_results(*directory);
      print(invocation.json ? render_pareto_json(results) : render_front_table(results));
      return kExitOk;
    };
  });
}

}  // namespace qsweep
