#include <csignal>
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/log.h"
#include "src/base/machine.h"
#include "src/base/text.h"

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/process_start.h"
#include "src/cli/signals.h"

namespace qsweep {
namespace {

constexpr const char* kDescription =
    "qsweep tells which precision every layer of an ONNX vision model can run at, and what that "
    "buys.";

constexpr const char* kFooter = R"(Examples:
  qsweep run jobs/demo/demo.yaml --out runs/demo              everything, on all cores of this machine
  mpirun -n 16 qsweep run job.yaml --out runs/r8              the same on 16 ranks; the same answer
  qsweep inspect model.onnx                                   layers, shapes, MACs, groups
  qsweep eval model.onnx --data cifar10:test.bin              the float model's accuracy
  qsweep eval model.onnx --data cifar10:test.bin --scheme '*=W8A8' --calib cifar10:train.bin
  qsweep pareto runs/r8                                       the front of a finished run

Exit codes: 0 done; 1 finished, some schemes failed; 2 usage or configuration; 3 bad model or data;
4 environment; 70 bug; 75 stopped early, run again to go on; 130 interrupted (state saved).
A run stops early and saves its state on Ctrl-C (a second one ends it at once), SIGTERM, SIGUSR1, SIGUSR2 and,
unless it was ignored as under nohup, SIGHUP.)";

/// The one place that prints an error.
ExitCode report(const Error& e) {
  (void)std::fprintf(stderr, "qsweep: error: %s\n", e.what());
  if (e.code() == ErrorCode::interrupted && stop_signal() == SIGINT) return kExitInterrupted;
  return exit_code(e.code());
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

/// CLI11 reports an unknown subcommand as a missing one; name the nearest instead.
ExitCode usage_error(const CLI::App& app, const CLI::ParseError& e, int argc, char** argv) {
  const std::vector<std::string> names = command_names(app);
  if (argc > 1 && argv[1][0] != '-' &&
      std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    return report(Error(ErrorCode::usage, fmt::format("unknown command '{}'", argv[1]), {},
                        did_you_mean(argv[1], names)));
  }
  std::string text = e.what();
  if (!text.empty() && text.back() == '.') text.pop_back();
  const auto chosen = app.get_subcommands();
  const std::string help = chosen.empty()
                               ? "qsweep --help"
                               : fmt::format("qsweep {} --help", chosen.front()->get_name());
  return report(Error(ErrorCode::usage, text, {}, fmt::format("See `{}`", help)));
}

ExitCode run_main(int argc, char** argv) {
  CLI::App app{kDescription, "qsweep"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", "qsweep " + version());
  app.fallthrough();
  Invocation invocation;
  app.add_flag("--json", invocation.json, "Print results as JSON");
  app.add_flag("-v,--verbose", invocation.verbosity, "More on stderr (twice: debugging)");
  app.add_option("--threads", invocation.threads,
                 "Ranks of this process, each a thread; without MPI (default: one for each core "
                 "that it may use, fewer where memory is short)")
      ->check(CLI::Range(1, 4096));
  add_run_command(app, invocation);
  add_inspect_command(app, invocation);
  add_eval_command(app, invocation);
  add_calibrate_command(app, invocation);
  add_sensitivity_command(app, invocation);
  add_sweep_command(app, invocation);
  add_compare_command(app, invocation);
  add_latency_command(app, invocation);
  add_pareto_command(app, invocation);
  add_report_command(app, invocation);
  add_export_command(app, invocation);
  add_summary_command(app, invocation);
  add_smoke_command(app, invocation);
  add_formats_command(app, invocation);
  add_targets_command(app, invocation);
  add_presets_command(app, invocation);
  add_env_command(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    app.exit(e);
    return kExitOk;
  } catch (const CLI::ParseError& e) {
    return usage_error(app, e, argc, argv);
  }
  if (invocation.verbosity > 0)
    set_log_stderr(invocation.verbosity > 1 ? LogLevel::debug : LogLevel::info);
  set_threads(invocation.threads);
  try {
    return invocation.action();
  } catch (const Error& e) {
    throw with_flags(e, invocation.flags);
  }
}

}  // namespace
}  // namespace qsweep

int main(int argc, char** argv) {
  qsweep::prepare_process();
  try {
    return qsweep::run_main(argc, argv);
  } catch (...) {
    return qsweep::report(qsweep::to_error(std::current_exception()));
  }
}
