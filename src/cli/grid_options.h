#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/cli/data_options.h"

namespace qsweep {

/// A sweep told by flags instead of a job file: every model at weights x activations x
/// granularities.
struct GridOptions {
  std::string output_root, log_root;
  std::vector<std::string> models;
  std::vector<std::string> weight_dtypes = {"int4", "int8"};
  std::vector<std::string> act_dtypes = {"fp8", "fp16"};
  std::vector<std::string> granularities = {"per_layer", "per_channel"};
  std::string image_size;  ///< edge in pixels; empty: as the model's YAML says
  DataOptions data;
};

/// `instead` (a job file) excludes the models.
void add_grid_options(CLI::App& command, GridOptions& options, CLI::Option* instead);

/// One model of a grid.
struct GridRun {
  std::filesystem::path directory;  ///< OUTPUT_ROOT/MODEL
  std::filesystem::path logs;       ///< LOG_ROOT/MODEL, or empty: in the directory
  JobConfig job;
};
/// @throws Error(usage) without data or output root, or for two models of one name;
///         Error(not_found) for a model that is neither a file nor one with `.onnx` added
/// @param first keys of the jobs, which the options go over
[[nodiscard]] std::vector<GridRun> to_runs(const GridOptions& options,
                                           const std::vector<Override>& first = {});

/// `int4`, `fp8`, `per_layer` -> `W4A8F:per_layer`; int8 activations are symmetric (`8S`), uint8
/// ones have a zero point (`8U`), whatever a job would make of `8`; fp16 activations stay in float
/// (weight-only).
/// @throws Error(usage) naming what is known
[[nodiscard]] std::string grid_precision(const std::string& weight,
                                         const std::string& activation,
                                         const std::string& granularity);

}  // namespace qsweep
