#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "src/cli/preset_options.h"

#include "io/config/job.h"

namespace qsweep {

/// Options that describe a model's data on the command line, for commands without a job file.
struct DataOptions {
  std::string model;
  std::string data;
  std::int64_t limit = 0;
  std::string calibration;
  std::int64_t calibration_images = 256;
  std::string sampling = "stratified";
  std::vector<double> scale, mean, std;
  std::string color, layout, resize, task, head;
  std::vector<std::string> shapes;
  std::string calibrator = "minmax";
  std::string algorithm;  ///< empty: the preset's, else rtn
  std::string smoothquant_alpha;
  bool bias_correction = false;
  double percentile = 99.999;
  std::int64_t bins = 128;
  std::string cache;
  std::int64_t batch = 0;
  std::uint64_t seed = 42;
};

void add_data_options(CLI::App& command, DataOptions& options);

/// The job these options describe; preprocessing from the flags or from the YAML beside the model.
/// Without data and calibration images, as some commands allow, the preprocessing may be unknown.
[[nodiscard]] JobConfig to_job(const DataOptions& options);

/// `input:1x3x32x32` -> name and extents.
[[nodiscard]] std::pair<std::string, std::vector<std::int64_t>> parse_shape(
    const std::string& text);

/// `letterbox:416x416:top_left`, `crop:224x224:shorter=256` -> mode, height and width, then
/// options. @throws Error(usage)
[[nodiscard]] ResizeSpec parse_resize(const std::string& text);

/// Options shared by the commands that work on a job in a run directory.
struct JobOptions {
  std::string job;
  std::string out;
  std::vector<std::string> set;
  std::string score{};  ///< empty: the job's
  PresetOptions preset{};
};
struct JobFlags {
  CLI::Option* job;
  CLI::Option* out;
};
JobFlags add_job_options(CLI::App& command, JobOptions& options);

/// load_job() with the overrides, then score and preset options over it.
[[nodiscard]] JobConfig load_job(const JobOptions& options);

}  // namespace qsweep
