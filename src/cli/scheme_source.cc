#include "src/cli/scheme_source.h"

#include <CLI/CLI.hpp>

#include "src/base/error.h"

namespace qsweep {

void add_scheme_source(CLI::App& command, SchemeSource& source, const std::string& data_use) {
  add_data_options(command, source.data);
  command.get_option("model")->required(false);
  command.get_option("--data")->required(false)->description(data_use);
  CLI::Option* run = command.add_option(
      "--run", source.run, "Take model, settings and calibration from this run directory");
  CLI::Option* scheme = command.add_option(
      "--scheme", source.scheme,
      "Precisions by layer: '*=W8A8; conv1=FP16' (default: float); with --run also `recommended`, "
      "`#3` (of the front), a scheme's name or its id");
  add_preset_options(command, source.preset, scheme);
  for (const char* option : {"--skip", "--nodes-to-exclude", "--op-types-to-exclude"})
    run->excludes(option);
}

void check_source(const SchemeSource& source, const std::string& command) {
  if (source.run.empty() == source.data.model.empty()) {
    throw Error(ErrorCode::usage, "name either a model or a run directory", "qsweep " + command,
                "See `qsweep " + command + " --help`");
  }
  if (!source.run.empty() && source.scheme.empty()) {
    throw Error(
        ErrorCode::usage, "a run has many schemes", "--run",
        "Choose one: `--scheme recommended`, or a name or id that `qsweep pareto DIR` lists");
  }
}

SchemeFile make_scheme_file(const SchemeSource& source,
                            const ExportOptions& options,
                            const ExportPlaces& places,
                            Session& session,
                            Progress& progress) {
  if (!source.run.empty()) return export_from_run(source.run, source.scheme, options, places);
  const JobConfig job = to_job(source.data, overrides_of(source.preset));
  check_preset(source.preset, job);
  const bool is_half = options.half_graph && source.scheme.empty() && !job.quantization.has_rules();
  return export_scheme(job, is_half ? "*=FP16" : source.scheme, options, places, session, progress);
}

}  // namespace qsweep
