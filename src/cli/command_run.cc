#include <algorithm>
#include <cctype>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/text.h"

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/outputs.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/json/json.h"
#include "io/report/report.h"

#include "sweep/plan/decision.h"
#include "sweep/run/driver.h"

namespace qsweep {
namespace {

struct Options {
  JobOptions job;
  bool dry_run = false;
  bool print_config = false;
  bool help_job = false;
};

void print_plan(const RunPlan& plan, int ranks, bool json) {
  if (json) {
    print(Json{{"layers", plan.layers},
               {"evaluations", plan.evaluations},
               {"images", plan.images},
               {"tasks", plan.tasks},
               {"records_done", plan.done},
               {"work", plan.work},
               {"peak_tensor_bytes_per_rank", plan.peak_bytes},
               {"ranks", ranks},
               {"estimated_seconds", plan.seconds_one_rank / ranks}}
              .text());
    return;
  }
  print(fmt::format(
      "plan: {} layers, {} evaluations on {} images, {} tasks to do ({} records already there)\n"
      "memory: {} of live tensors per rank\n"
      "time: about {} on {} rank(s), from one timed float pass here\n",
      plan.layers, plan.evaluations, plan.images, plan.tasks, plan.done,
      human_bytes(static_cast<std::uint64_t>(plan.peak_bytes)),
      human_seconds(plan.seconds_one_rank / ranks), ranks));
}

/// A path as a shell takes it.
std::string shell_word(const std::string& path) {
  constexpr std::string_view kPlain = "/._-+=:@%,";
  const bool is_plain = !path.empty() && std::ranges::all_of(path, [&](unsigned char c) {
    return std::isalnum(c) || kPlain.find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (is_plain) return path;
  std::string word = "'";
  for (const char c : path) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

/// How to write the recommended scheme as a file; empty where float is recommended.
std::string export_line(const RunResults& results, const std::filesystem::path& directory) {
  const RunResults::Evaluation* scheme = decide(results).recommended;
  if (scheme == &results.baseline) return {};
  const std::filesystem::path file = directory / (scheme->id + ".onnx");
  return fmt::format("export: qsweep export --run {} --scheme recommended --out {}\n",
                     shell_word(directory.string()), shell_word(file.string()));
}

ExitCode run(const Options& o, bool json) {
  if (o.help_job) {
    print(describe_job_keys());
    return kExitOk;
  }
  const JobConfig job = load_job(o.job);
  if (o.print_config) {
    print(to_yaml(job));
    return kExitOk;
  }
  if (o.job.out.empty())
    throw Error(ErrorCode::usage, "--out is required", {},
                "Name the run directory, e.g. --out runs/first");
  return with_ranks([&](Session& session) {
    const RunOptions options{.directory = o.job.out};
    if (o.dry_run) {
      print_plan(plan_job(job, options), session.transport.size(), json);
      return kExitOk;
    }
    check_outputs({.files = {}, .folders = {o.job.out}}, job);
    ProgressLine progress;
    const RunOutcome outcome = run_job(job, options, session, progress);
    if (json) {
      print(render_pareto_json(outcome.results));
    } else {
      print(render_front_table(outcome.results));
      print(fmt::format("\nreport: {}\n",
                        (std::filesystem::path(o.job.out) / "report.html").string()) +
            export_line(outcome.results, o.job.out));
    }
    return outcome.failed > 0 ? kExitPartial : kExitOk;
  });
}

}  // namespace

void add_run_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "run", "Calibrate, rank layers, sweep schemes and report, in one go; resumes by itself");
  command->add_option("job", options->job.job, "Job file (YAML); see --help-job");
  command->add_option("-o,--out", options->job.out,
                      "Run directory; a run found there is continued");
  command
      ->add_option("--set", options->job.set,
                   "Override a key of the job file: --set data.calibration.images=512")
      ->take_all();
  add_preset_options(*command, options->job.preset);
  command->add_flag("--dry-run", options->dry_run,
                    "Print the plan with task count, memory and time, and stop");
  command->add_flag("--print-config", options->print_config,
                    "Print the composed configuration and stop");
  command->add_flag("--help-job", options->help_job, "Describe every key of the job file and stop");
  command->footer(
      "Examples:\n"
      "  qsweep run jobs/demo/demo.yaml --out runs/demo            (on every core)\n"
      "  qsweep --threads 4 run job.yaml --out runs/r8\n"
      "  mpirun -n 2 qsweep run job.yaml --out runs/r8 --set seed=7\n"
      "  qsweep run job.yaml --out runs/r8 --dry-run");
  command->callback([options, &invocation] {
    if (options->job.job.empty() && !options->help_job) throw CLI::RequiredError("job");
    invocation.action = [options, &invocation] { return run(*options, invocation.json); };
  });
}

}  // namespace qsweep
