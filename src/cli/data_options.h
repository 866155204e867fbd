#pragma once

#include <string>
#include <utility>
#include <vector>

#include "src/cli/key_flags.h"
#include "src/cli/preset_options.h"

#include "io/config/job.h"

namespace qsweep {

/// Options that describe a model and its data on the command line, for commands without a job file.
struct DataOptions {
  std::string model;
  std::string data, calibration;  ///< data specifications; empty: not given
  std::string resize;
  std::vector<std::string> shapes;
  KeyFlags flags;  ///< the others
};

void add_data_options(CLI::App& command, DataOptions& options);

/// The part of them that says what the model's input and outputs are.
std::vector<CLI::Option*> add_input_options(CLI::App& command, DataOptions& options);

/// What the options give, as keys of the job.
[[nodiscard]] std::vector<Override> overrides_of(const DataOptions& options);

/// The job these options describe, over the YAML beside the model; `first` goes before them.
/// Without data and calibration images, as some commands allow, the preprocessing may be unknown.
[[nodiscard]] JobConfig to_job(const DataOptions& options, std::vector<Override> first = {});

/// `input:1x3x32x32` -> name and extents. @throws Error(usage)
[[nodiscard]] std::pair<std::string, std::vector<std::int64_t>> parse_shape(
    const std::string& text);

/// Options shared by the commands that work on a job in a run directory.
struct JobOptions {
  std::string job;
  std::string out;
  std::vector<std::string> set;
  KeyFlags flags{};
  PresetOptions preset{};
};
struct JobOptionFlags {
  CLI::Option* job;
  CLI::Option* out;
};
JobOptionFlags add_job_options(CLI::App& command, JobOptions& options);

/// What `--set` and the flags give, in order.
[[nodiscard]] std::vector<Override> overrides_of(const JobOptions& options);

/// load_job() with the overrides, then flags and preset options over it.
[[nodiscard]] JobConfig load_job(const JobOptions& options);

}  // namespace qsweep
