#include "sweep/run/export_scheme.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/random.h"
#include "src/base/text.h"

#include "src/quant/rounding.h"

#include "src/exec/bank.h"
#include "src/results/views.h"

#include "io/data/npy.h"
#include "io/fs/file_system.h"

#include "sweep/plan/decision.h"
#include "sweep/run/crew.h"
#include "sweep/run/driver.h"
#include "sweep/stages/adaptation.h"

namespace qsweep {
namespace {

/// Other tools calibrate on what fits here.
constexpr std::int64_t kMostCalibrationBytes = std::int64_t{256} << 20;
/// Of the scripts' folder.
constexpr const char* kFloatModel = "model_fp32.onnx";
constexpr const char* kCalibrationData = "calibration_data.npy";

std::vector<LayerExport> export_layers(const Workload& w,
                                       const Scheme& scheme,
                                       const LayerBank& bank) {
  std::vector<LayerExport> exports;
  for (const LayerId layer : ids<LayerId>(scheme.precision.size())) {
    const std::uint8_t precision = scheme.precision[layer.index()];
    exports.push_back({.activation = bank.activation(layer, precision),
                       .weight = bank.weight(layer, precision),
                       .integer = uses_integer_kernel(w.plan.precisions.at(precision)),
                       .input_factor = bank.adaptation(layer, precision).input_factor(),
                       .bias = bank.adaptation(layer, precision).bias.empty()
                                   ? Tensor()
                                   : bank.bias(layer, precision)});
  }
  return exports;
}

/// The values that the scheme rounds beside the inputs of its layers.
std::vector<ValueExport> export_values(const Workload& w,
                                       const Scheme& scheme,
                                       const LayerBank& bank) {
  const Program& program = *w.model.program;
  const QuantizerPlacement& placement = w.model.placement;
  std::vector<ValueExport> values;
  if (placement.is_empty()) return values;
  std::map<ValueId, StepId> makers;  // of the placement's points
  Chain chain(program, placement, w.plan.precisions.all());
  for (const StepId id : ids<StepId>(program.steps().size())) {
    const Step& step = program.step(id);
    chain.visit(id, step.layer ? scheme.precision[step.layer.index()] : std::uint8_t{0});
    if (placement.role(id).rounds) makers[step.outputs[0]] = id;
    for (const ValueId value : step.outputs) {
      if (value == kNoValue || chain.format_of(value) == Chain::kReal) continue;
      const StepId maker = makers.at(placement.range_of(value));
      values.push_back({value, bank.rounding(maker, chain.format_of(value))});
    }
  }
  return values;
}

ScriptFolder write_scripts(const Workload& w, const Scheme& scheme, const ExportPlaces& places) {
  const Graph& graph = w.model.program->graph();
  const auto& layers = w.layers();
  const Value& input = graph.value(w.model.program->input());
  ScriptFolder folder;
  // Tools that quantize per channel want opset 13.
  folder.float_model = export_onnx(graph, layers, std::vector<LayerExport>(layers.size()),
                                   {.opset = graph.opset < 13 ? 13 : 0,
                                    .scheme = "*=FP32",
                                    .source_sha256 = w.model.file_digest,
                                    .notes = w.model.notes});
  if (w.calibration.is_given()) {
    const std::int64_t image_bytes = 4 * element_count(w.model.image_shape);
    const auto count = std::min(w.calibration.size(),
                                std::max<std::int64_t>(1, kMostCalibrationBytes / image_bytes));
    folder.calibration = w.calibration.images({0, count});
  }
  Handoff handoff{.float_model = kFloatModel,
                  .scheme_model = std::filesystem::absolute(places.model)
                                      .lexically_relative(std::filesystem::absolute(places.scripts))
                                      .string(),
                  .calibration = kCalibrationData,
                  .input = input.name,
                  .image = w.model.image_shape,
                  .open_batch = !input.shape || input.shape->empty() || input.shape->front() < 0,
                  .calibrator = w.job.quantization.calibrator,
                  .percentile = w.job.quantization.percentile,
                  .layers = layers};
  for (const std::uint8_t p : scheme.precision)
    handoff.precision.push_back(w.plan.precisions.at(p));
  folder.scripts = handoff_files(handoff);
  return folder;
}

/// Images that show how large a model's values get: those of the calibration, else one of random
/// pixels, or of normal values where nothing says that pixels are scaled.
Tensor sample_images(const Workload& w) {
  constexpr std::int64_t kImages = 8;
  if (w.calibration.is_given())
    return w.calibration.images({0, std::min({w.calibration.size(), w.model.batch, kImages})});
  const InputSpec& input = w.job.input;
  const bool scales = input.scale != 1.0 || input.mean.front() != 0.0 || input.std.front() != 1.0;
  Tensor image(DType::f32, w.model.image_shape);
  Random random(w.job.seed);
  for (float& v : image.mutable_data<float>()) {
    const double pixel = (255.0 * random.uniform() / input.scale - input.mean.front());
    v = static_cast<float>(scales ? pixel / input.std.front() : random.normal());
  }
  return image;
}

/// What a model that is FP16 throughout cannot hold, of its constants and of the values that some
/// images give.
void warn_of_half_range(const Workload& w) {
  const Graph& graph = w.model.program->graph();
  std::string names;
  const auto check = [&](const std::string& name, std::span<const float> values) {
    const bool exceeds = std::ranges::any_of(
        values, [](float v) { return std::isfinite(v) && std::fabs(v) > rounding::kHalf.largest; });
    if (exceeds) names += (names.empty() ? "'" : ", '") + name + "'";
  };
  for (const Value& value : graph.values) {
    if (value.constant && value.constant->dtype() == DType::f32)
      check(value.name, value.constant->data<float>());
  }
  if (graph.inputs.size() == 1) {  // for more there is no data
    const Tensor images = sample_images(w);
    FloatRunner runner(*w.model.program);
    (void)runner.run({&images, 1}, [&](ValueId id, const Tensor& tensor) {
      if (tensor.dtype() == DType::f32) check(graph.value(id).name, tensor.data<float>());
    });
  }
  if (!names.empty())
    log_warning(fmt::format(
        "values of {} exceed {}, the largest FP16 number, {}: they overflow to "
        "infinity in the exported file",
        names, rounding::kHalf.largest,
        w.calibration.is_given() ? "on the calibration images" : "on an image of random values"));
}

}  // namespace

SchemeFile write_scheme(const Workload& w,
                        const CompiledJob::ListedScheme& listed,
                        const Findings& findings,
                        const RecordStore& records,
                        ExportOptions options,
                        const ExportPlaces& places) {
  const auto& layers = w.layers();
  const Scheme scheme = w.scheme(listed.name, listed.precision);
  check_adapted(w, records, scheme.precision);
  const Adaptations& adaptations = findings.adaptations;
  std::vector<WeightExtent> extents;
  for (const LayerId layer : ids<LayerId>(layers.size())) {
    const Layer& l = layers[layer.index()];
    extents.push_back({w.model.program->weight(layer).shape(),
                       {l.output_axis, l.input_axis},
                       w.model.program->bias(layer).size(),
                       input_factors(adaptations, layer)});
  }
  SchemeFile out;
  out.scheme_text = to_text(scheme.precision, layers, w.plan.precisions);
  out.scheme_id = scheme.id;
  out.weight_bytes = scheme_size(scheme.precision, extents, w.plan.precisions).bytes;
  options.scheme = out.scheme_text;
  options.scheme_id = scheme.id;
  options.source_sha256 = w.model.file_digest;
  options.notes = w.model.notes;
  const QuantSetup setup = quant_setup(w, findings.stats, adaptations);
  const LayerBank bank(*w.model.program, setup);
  const std::vector<LayerExport> exports = export_layers(w, scheme, bank);
  if (options.half_graph) warn_of_half_range(w);
  if (w.job.has_input) out.card = model_card(w.job);
  out.calibrator = name_of(w.plan.calibrator.kind);
  out.weight_algorithm = name_of(w.plan.weights.algorithm);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    out.quantizers.push_back({layers[i].name, w.plan.precisions.at(scheme.precision[i]).name,
                              exports[i].weight.params, exports[i].activation});
  }
  out.model = export_onnx(w.model.program->graph(), layers, exports, options,
                          export_values(w, scheme, bank));
  if (!places.scripts.empty()) out.scripts = write_scripts(w, scheme, places);
  return out;
}

namespace {

/// The scheme that people mean by an id, a name or a place of the run's reports, in text form.
std::string text_of(const RunResults& results,
                    const std::string& scheme,
                    const std::filesystem::path& directory) {
  const auto refusal = [&](const std::string& what, const std::string& hint) {
    return Error(ErrorCode::config, what, directory.string(), hint);
  };
  if (scheme == "recommended") {
    const Decision decision = decide(results);
    if (decision.recommended == &results.baseline)
      log_warning("the run recommends no quantized scheme: this is the float model");
    return decision.recommended->text;
  }
  if (scheme.starts_with('#')) {
    const std::vector<const RunResults::Evaluation*> front = view::front(results);
    std::size_t place = 0;
    const auto [end, bad] =
        std::from_chars(scheme.data() + 1, scheme.data() + scheme.size(), place);
    if (bad != std::errc() || end != scheme.data() + scheme.size() || place < 1 ||
        place > front.size()) {
      throw refusal("the front has no point '" + scheme + "'",
                    front.empty() ? "" : fmt::format("Take one of #1 to #{}", front.size()));
    }
    return front[place - 1]->text;
  }
  const auto is_meant = [&](const RunResults::Evaluation& e) {
    // Families that make the same scheme share an evaluation: `A = B`.
    return e.id == scheme ||
           (!e.name.empty() &&
            (" = " + e.name + " = ").find(" = " + scheme + " = ") != std::string::npos);
  };
  if (is_meant(results.baseline)) return results.baseline.text;
  const auto found = std::ranges::find_if(results.evaluations, is_meant);
  if (found != results.evaluations.end()) return found->text;
  if (scheme.find('=') != std::string::npos) return scheme;
  std::vector<std::string> known = {"recommended"};
  for (const auto& e : results.evaluations) {
    known.push_back(e.id);
    if (!e.name.empty()) known.push_back(e.name);
  }
  const std::string near = did_you_mean(scheme, known);
  throw refusal("the run has no scheme '" + scheme + "'",
                near.empty() ? "Take `recommended`, #1 for the first point of the front, or a "
                               "scheme_id or name of pareto.csv"
                             : near);
}

constexpr std::string_view kCardOrigin =
    "# Written by qsweep export, which writes it again with the model beside it.\n";

/// Adds the YAML beside a model, unless the one that lies there is somebody's own.
void add_card(FileSystem& files,
              const std::filesystem::path& model,
              const std::string& card,
              std::vector<NewFile>& all) {
  if (card.empty()) return;
  const std::filesystem::path place = model_card_path(model);
  if (files.exists(place)) {
    const Bytes found = files.read(place);
    const std::string_view text(reinterpret_cast<const char*>(found.data()), found.size());
    if (!text.starts_with(kCardOrigin)) {
      JobConfig theirs;
      bool is_same = false;
      try {
        load_model_card(model, theirs);
        is_same = std::string(kCardOrigin) + model_card(theirs) == card;
      } catch (const Error&) {  // not a model's YAML
      }
      if (!is_same) {
        log_warning(fmt::format(
            "'{}' is not of an export: it stays as it is, though the model was made with other "
            "settings",
            place.string()));
      }
      return;
    }
  }
  all.push_back({place, as_bytes(card)});
}

}  // namespace

SchemeFile export_scheme(const JobConfig& job,
                         const std::string& scheme,
                         const ExportOptions& options,
                         const ExportPlaces& places,
                         Session& session,
                         Progress& progress) {
  JobConfig only = job;
  only.families.clear();
  only.search = {};
  only.sensitivity.precisions.clear();
  only.latency.source = "none";
  const bool ruled = scheme.empty() && only.quantization.has_rules();
  only.schemes.clear();
  if (!ruled) only.schemes.push_back(scheme.empty() ? "*=FP32" : scheme);
  const OpenedRun run = open_run(only, WorkloadUse::evaluate, session);
  const Workload& w = *run.workload;
  RecordStore records;
  Findings findings;
  const Stages stages = stages_of(w, {}, StageId::adaptation);
  if (!stages.empty()) {
    Crew crew(session, run, records, progress);
    findings = run_stages(crew, stages);
  }
  return write_scheme(w, w.plan.listed.front(), findings, records, options, places);
}

SchemeFile export_from_run(const std::filesystem::path& directory,
                           const std::string& scheme,
                           const ExportOptions& options,
                           const ExportPlaces& places) {
  const RunResults results = load_results(directory);  // checks that it is a run, and unchanged
  const std::string text = text_of(results, scheme, directory);
  JobConfig job = load_job(directory / "run_config.yaml");
  job.schemes.push_back(text);
  const std::shared_ptr<const Workload> workload = open_workload(job);
  const RecordStore records =
      RecordStore::read_only(real_file_system(), directory / "journal.qsj", workload->identity);
  const Findings findings = read_stages(stages_of(*workload, {}, StageId::adaptation), records);
  return write_scheme(*workload, workload->plan.listed.at(job.schemes.size() - 1), findings,
                      records, options, places);
}

std::filesystem::path external_place(const ExportPlaces& places) {
  // A link is followed, and a model's external data lies beside the file itself.
  constexpr int kMostLinks = 40;
  std::filesystem::path file = places.model;
  std::error_code no_link;
  for (int links = 0; links < kMostLinks && std::filesystem::is_symlink(file, no_link); ++links)
    file = file.parent_path() / std::filesystem::read_symlink(file, no_link);
  return file.parent_path() / (places.model.filename().string() + ".data");
}

std::vector<std::filesystem::path> scheme_file_places(const ExportPlaces& places,
                                                      const ExportOptions& options) {
  std::vector<std::filesystem::path> all = {places.model};
  if (options.external_data) all.push_back(external_place(places));
  if (places.scripts.empty()) return all;
  for (const char* name : {kFloatModel, kCalibrationData}) all.push_back(places.scripts / name);
  return all;
}

void write_scheme_file(FileSystem& files, const SchemeFile& file, const ExportPlaces& places) {
  std::vector<NewFile> all;
  if (!file.model.external.empty()) all.push_back({external_place(places), file.model.external});
  all.push_back({places.model, file.model.bytes});
  const std::string card = file.card.empty() ? std::string() : std::string(kCardOrigin) + file.card;
  add_card(files, places.model, card, all);
  Bytes calibration;
  if (const auto& scripts = file.scripts) {
    files.create_directories(places.scripts);
    all.push_back({places.scripts / kFloatModel, scripts->float_model.bytes});
    add_card(files, places.scripts / kFloatModel, card, all);
    if (!scripts->calibration.empty()) {
      calibration = encode_npy(scripts->calibration, kCalibrationData);
      all.push_back({places.scripts / kCalibrationData, calibration});
    }
    for (const HandoffFile& script : scripts->scripts)
      all.push_back({places.scripts / script.name, as_bytes(script.text)});
  }
  files.replace(all);
}

}  // namespace qsweep
