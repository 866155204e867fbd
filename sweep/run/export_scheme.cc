#include "sweep/run/export_scheme.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/exec/bank.h"

#include "io/fs/file_system.h"

#include "sweep/run/adaptation.h"
#include "sweep/run/calibration.h"
#include "sweep/run/crew.h"
#include "sweep/run/driver.h"
#include "sweep/run/layer_inputs.h"

namespace qsweep {
namespace {

/// Other tools calibrate on what fits here.
constexpr std::int64_t kMostCalibrationBytes = std::int64_t{256} << 20;

std::vector<LayerExport> export_layers(const Workload& w,
                                       const Scheme& scheme,
                                       std::vector<TensorStats> stats,
                                       Adaptations adaptations) {
  const auto precisions = w.precisions.all();
  const QuantSetup setup{.precisions = {precisions.begin(), precisions.end()},
                         .input_stats = std::move(stats),
                         .calibrator = w.calibrator,
                         .weight_algorithm = w.weights.algorithm,
                         .adaptations = std::move(adaptations)};
  const LayerBank bank(*w.program, setup);
  std::vector<LayerExport> exports;
  for (std::size_t i = 0; i < scheme.precision.size(); ++i) {
    const int layer = static_cast<int>(i);
    const int precision = scheme.precision[i];
    exports.push_back({.activation = bank.activation(layer, precision),
                       .weight = bank.weight(layer, precision),
                       .integer = uses_integer_kernel(w.precisions.at(scheme.precision[i])),
                       .input_factor = bank.adaptation(layer, precision).input_factor(),
                       .bias = bank.adaptation(layer, precision).bias.empty()
                                   ? Tensor()
                                   : bank.bias(layer, precision)});
  }
  return exports;
}

ScriptFolder write_scripts(const Workload& w, const Scheme& scheme, const ExportPlaces& places) {
  const Graph& graph = w.program->graph();
  const auto& layers = w.program->layers();
  const Value& input = graph.value(w.program->input());
  ScriptFolder folder;
  // Tools that quantize per channel want opset 13.
  folder.float_model = export_onnx(
      graph, layers, std::vector<LayerExport>(layers.size()),
      {.opset = std::max(graph.opset, 13), .scheme = "*=FP32", .source_sha256 = w.model.sha256});
  if (w.calibration) {
    const std::int64_t image_bytes = 4 * element_count(w.image_shape);
    const auto count = std::min(std::ssize(w.calibration_ids),
                                std::max<std::int64_t>(1, kMostCalibrationBytes / image_bytes));
    folder.calibration =
        w.calibration->images(std::span(w.calibration_ids).first(static_cast<std::size_t>(count)));
  }
  Handoff handoff{.float_model = "model_fp32.onnx",
                  .scheme_model = std::filesystem::absolute(places.model)
                                      .lexically_relative(std::filesystem::absolute(places.scripts))
                                      .string(),
                  .calibration = "calibration_data.npy",
                  .input = input.name,
                  .image = w.image_shape,
                  .open_batch = !input.shape || input.shape->empty() || input.shape->front() < 0,
                  .calibrator = w.job.quantization.calibrator,
                  .percentile = w.job.quantization.percentile,
                  .layers = layers};
  for (const std::uint8_t p : scheme.precision) handoff.precision.push_back(w.precisions.at(p));
  folder.scripts = handoff_files(handoff);
  return folder;
}

SchemeFile write_scheme(const Workload& w,
                        const std::string& text,
                        std::vector<TensorStats> stats,
                        const RecordStore& records,
                        ExportOptions options,
                        const ExportPlaces& places) {
  const auto& layers = w.program->layers();
  PrecisionSet precisions = w.precisions;
  const Scheme scheme =
      make_scheme(text, parse_scheme(text, layers, precisions), layers, w.precisions, w.settings);
  check_adapted(w, records, scheme.precision);
  Adaptations adaptations = recorded_adaptations(w, records);
  std::vector<WeightExtent> extents;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const int layer = static_cast<int>(i);
    extents.push_back({w.program->weight(layer).shape(),
                       {layers[i].output_axis, layers[i].input_axis},
                       w.program->bias(layer).size(),
                       input_factors(adaptations, layer)});
  }
  SchemeFile out;
  out.scheme_text = to_text(scheme.precision, layers, w.precisions);
  out.scheme_id = scheme.id;
  out.weight_bytes = scheme_size(scheme.precision, extents, w.precisions).bytes;
  options.scheme = out.scheme_text;
  options.scheme_id = scheme.id;
  options.source_sha256 = w.model.sha256;
  const std::vector<LayerExport> exports =
      export_layers(w, scheme, std::move(stats), std::move(adaptations));
  out.calibrator = name_of(w.calibrator.kind);
  out.weight_algorithm = name_of(w.weights.algorithm);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    out.quantizers.push_back({layers[i].name, w.precisions.at(scheme.precision[i]).name,
                              exports[i].weight.params, exports[i].activation});
  }
  out.model = export_onnx(w.program->graph(), layers, exports, options);
  if (!places.scripts.empty()) out.scripts = write_scripts(w, scheme, places);
  return out;
}

}  // namespace

SchemeFile export_scheme(const JobConfig& job,
                         const std::string& scheme,
                         const ExportOptions& options,
                         const ExportPlaces& places,
                         Transport& transport,
                         Progress& progress,
                         const std::atomic<bool>& stop) {
  JobConfig only = job;
  only.families.clear();
  only.sensitivity.precisions.clear();
  const bool ruled = scheme.empty() && only.quantization.has_rules();
  only.schemes.clear();
  if (!ruled) only.schemes.push_back(scheme.empty() ? "*=FP32" : scheme);
  const std::shared_ptr<const Workload> workload =
      open_workload(only, WorkloadUse::evaluate, new_share(transport));
  std::vector<TensorStats> stats;
  RecordStore records;
  if (needs_calibration(*workload)) {
    Crew crew(transport, workload, records, progress, stop, {.fingerprint = engine_identity()});
    stats = calibrate_layers(crew);
    if (needs_inputs(*workload)) adapt_layers(crew);
  }
  return write_scheme(*workload, workload->listed_schemes.front().text, std::move(stats), records,
                      options, places);
}

SchemeFile export_from_run(const std::filesystem::path& directory,
                           const std::string& scheme,
                           const ExportOptions& options,
                           const ExportPlaces& places) {
  const RunResults results = load_results(directory);  // checks that it is a run, and unchanged
  std::string text = scheme;
  if (scheme.find('=') == std::string::npos) {
    const auto found = std::ranges::find(results.evaluations, scheme, &RunResults::Evaluation::id);
    if (found == results.evaluations.end()) {
      std::vector<std::string> ids;
      for (const auto& e : results.evaluations) ids.push_back(e.id);
      throw Error(ErrorCode::config, "the run has no scheme '" + scheme + "'", directory.string(),
                  did_you_mean(scheme, ids));
    }
    text = found->text;
  }
  JobConfig job = load_job(directory / "run_config.yaml");
  job.schemes.push_back(text);
  const std::shared_ptr<const Workload> workload = open_workload(job);
  std::string fingerprint;
  const RecordStore records =
      RecordStore::read_only(real_file_system(), directory / "journal.qsj", &fingerprint);
  return write_scheme(*workload, text, recorded_stats(*workload, records), records, options,
                      places);
}

}  // namespace qsweep
