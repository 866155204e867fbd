#pragma once

#include <functional>

#include "src/base/error.h"

#include "src/cli/key_flags.h"

namespace qsweep {

/// What the command line asked for. A command's add_ function registers its options and, when it is
/// the one chosen, sets `action`; main runs it. Results go to stdout, everything else to stderr.
struct Invocation {
  bool json = false;  ///< machine-readable results
  int verbosity = 0;
  int threads = 0;  ///< ranks of this process; 0: one for each core
  std::function<ExitCode()> action;
  FlagNames flags;  ///< of the command chosen: errors name them in place of keys of the job
};

void add_run_command(CLI::App& app, Invocation& invocation);
void add_inspect_command(CLI::App& app, Invocation& invocation);
void add_eval_command(CLI::App& app, Invocation& invocation);
void add_export_command(CLI::App& app, Invocation& invocation);
void add_calibrate_command(CLI::App& app, Invocation& invocation);
void add_sensitivity_command(CLI::App& app, Invocation& invocation);
void add_sweep_command(CLI::App& app, Invocation& invocation);
void add_compare_command(CLI::App& app, Invocation& invocation);
void add_latency_command(CLI::App& app, Invocation& invocation);
void add_pareto_command(CLI::App& app, Invocation& invocation);
void add_report_command(CLI::App& app, Invocation& invocation);
void add_summary_command(CLI::App& app, Invocation& invocation);
void add_smoke_command(CLI::App& app, Invocation& invocation);
void add_formats_command(CLI::App& app, Invocation& invocation);
void add_targets_command(CLI::App& app, Invocation& invocation);
void add_presets_command(CLI::App& app, Invocation& invocation);
void add_env_command(CLI::App& app, Invocation& invocation);

}  // namespace qsweep
