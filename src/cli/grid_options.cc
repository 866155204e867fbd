#include "src/cli/grid_options.h"

#include <algorithm>
#include <map>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

/// What a data type is called in a precision's name.
const std::string& letters(const std::map<std::string, std::string>& known,
                           const std::string& dtype,
                           const char* option) {
  const auto at = known.find(dtype);
  if (at != known.end()) return at->second;
  std::vector<std::string> names;
  for (const auto& [name, _] : known) names.push_back(name);
  throw Error(ErrorCode::usage, fmt::format("'{}' is not one of {}", dtype, join(names, ", ")),
              option);
}

std::filesystem::path find_model(const std::string& name) {
  for (const std::filesystem::path path : {name, name + ".onnx"}) {
    std::error_code unknown;
    if (std::filesystem::exists(path, unknown)) return path;
  }
  throw Error(ErrorCode::not_found, "no such model file", name,
              "Give the path of an ONNX file to --models");
}

/// The square that pictures are fitted into, in the way that the model's YAML says.
Override image_size(const std::string& edge, const JobConfig& job) {
  ResizeSpec resize;
  resize.mode = "letterbox";
  if (job.input.resize) resize = *job.input.resize;
  const std::string yaml = fmt::format(
      "{{mode: {}, size: {}, interpolation: {}, pad: {}, align: {}, shorter: {}}}", resize.mode,
      yaml_list({edge, edge}), resize.interpolation, resize.pad, resize.align, resize.shorter);
  return {"input.resize", yaml, "--imgsz", "--imgsz " + edge};
}

}  // namespace

void add_grid_options(CLI::App& command, GridOptions& o, CLI::Option* instead) {
  KeyFlags& keys = o.data.flags;
  keys.set_default("data.calibration.images", "100");
  keys.set_default("data.calibration.sampling", "first");
  keys.set_default("batch", "1");
  CLI::Option* models = command.add_option(
      "--models", o.models, "Models to sweep without a job file, each in OUTPUT_ROOT/MODEL");
  instead->excludes(models);
  command.add_option("--output-root", o.output_root, "With --models: where the run directories go")
      ->needs(models);
  command
      .add_option("--log-root", o.log_root,
                  "With --models: where the logs go; default: into the run directories")
      ->needs(models);
  command.add_option("--weight-dtypes", o.weight_dtypes, "int4, int8, uint8, fp8")
      ->capture_default_str()
      ->needs(models);
  command
      .add_option("--act-dtypes", o.act_dtypes,
                  "int8 (symmetric), uint8 (with zero point), fp8, fp16; fp16 is weight-only: "
                  "activations are not quantized")
      ->capture_default_str()
      ->needs(models);
  command.add_option("--granularities", o.granularities, "per_layer, per_channel")
      ->capture_default_str()
      ->needs(models);
  keys.add(command, "--max-calib-samples", "data.calibration.images",
           "Calibration images, 100 without this; all where the data has fewer")
      ->needs(models);
  keys.add(command, "--batch-size", "batch", "Images per forward pass, 1 without this")
      ->needs(models);
  command.add_option("--imgsz", o.image_size, "Edge of the square that pictures are fitted into")
      ->needs(models);
  command.add_option("--data", o.data.data, "With --models: evaluation data, as `qsweep eval`")
      ->needs(models);
  command.add_option("--calib", o.data.calibration, "With --models: calibration data")
      ->needs(models);
  keys.add(command, "--limit", "data.evaluation.images",
           "With --models: evaluate only the first N images; 0: all")
      ->needs(models);
  for (CLI::Option* option : add_input_options(command, o.data)) option->needs(models);
  for (const char* key : {"data.evaluation", "data.evaluation.path"}) keys.name(key, "--data");
  for (const char* key : {"data.calibration", "data.calibration.path"}) keys.name(key, "--calib");
}

std::string grid_precision(const std::string& weight,
                           const std::string& activation,
                           const std::string& granularity) {
  static const std::map<std::string, std::string> kWeights = {
      {"int4", "4"}, {"int8", "8"}, {"uint8", "8U"}, {"fp8", "8F"}};
  static const std::map<std::string, std::string> kActivations = {
      {"int8", "8S"}, {"uint8", "8U"}, {"fp8", "8F"}, {"fp16", "16"}};
  static const std::map<std::string, std::string> kGranularities = {{"per_layer", "per_layer"},
                                                                    {"per_channel", "per_channel"}};
  return fmt::format("W{}A{}:{}", letters(kWeights, weight, "--weight-dtypes"),
                     letters(kActivations, activation, "--act-dtypes"),
                     letters(kGranularities, granularity, "--granularities"));
}

std::vector<GridRun> to_runs(const GridOptions& o, const std::vector<Override>& first) {
  if (o.output_root.empty())
    throw Error(ErrorCode::usage, "--output-root is required with --models", {},
                "Name where the run directories go");
  std::vector<std::string> precisions;
  for (const std::string& granularity : o.granularities) {
    for (const std::string& weight : o.weight_dtypes) {
      for (const std::string& activation : o.act_dtypes)
        precisions.push_back(grid_precision(weight, activation, granularity));
    }
  }
  std::vector<GridRun> runs;
  std::set<std::string> names;
  for (const std::string& model : o.models) {
    const std::filesystem::path path = find_model(model);
    const std::string name = path.stem().string();
    if (!names.insert(name).second)
      throw Error(ErrorCode::usage, fmt::format("two models are called '{}'", name), "--models",
                  "Their run directories would be one; sweep them apart");
    if (o.data.data.empty())
      throw Error(ErrorCode::usage, "--data is required with --models", {},
                  "Name the labelled images, e.g. --data coco:IMAGES_DIR,ANNOTATIONS.json");
    DataOptions data = o.data;
    data.model = path.string();
    GridRun run{.directory = std::filesystem::path(o.output_root) / name,
                .logs = {},
                .job = to_job(data, first)};
    if (!o.log_root.empty()) run.logs = std::filesystem::path(o.log_root) / name;
    if (!o.image_size.empty()) {
      std::vector<Override> keys = first;
      keys.push_back(image_size(o.image_size, run.job));
      run.job = to_job(data, keys);
    }
    if (!o.data.calibration.empty()) {
      const auto calibration = open_dataset(data_spec(run.job.calibration), run.job.input);
      run.job.calibration.images = std::min(run.job.calibration.images, calibration->size());
    }
    run.job.sensitivity.precisions = precisions;
    run.job.latency.source = "none";
    run.job.objectives = {"size", "accuracy"};
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace qsweep
