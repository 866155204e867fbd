#include "sweep/run/workload.h"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/machine.h"
#include "src/base/text.h"

#include "src/quant/presets.h"

#include "src/kernels/linear.h"
#include "src/kernels/ops.h"

#include "sweep/plan/rules.h"
#include "sweep/plan/ties.h"

namespace qsweep {
namespace {

/// Runs independent checks and throws their problems together: one error as it is, several as a
/// list.
class ProblemList {
 public:
  template <class F>
  void attempt(F&& check) {
    try {
      check();
    } catch (const Error& e) {
      errors_.push_back(e);
    }
  }
  void raise() const {
    if (errors_.empty()) return;
    if (errors_.size() == 1) throw errors_.front();
    std::string text = fmt::format("{} problems:", errors_.size());
    for (const Error& e : errors_) text += fmt::format("\n  - {}", e.what());
    throw Error(errors_.front().code(), text);
  }

 private:
  std::vector<Error> errors_;
};

/// @param role tells the data sets of a job apart
std::unique_ptr<Dataset> open_set(const JobConfig& job,
                                  const JobConfig::Data& data,
                                  NodeShare share,
                                  const char* role) {
  DataSpec spec = parse_data_spec(data.format + ":" + data.path.string());
  share.run += role;
  return open_dataset(spec, job.input, share);
}

std::string canonical_settings(const Workload& w) {
  const JobConfig& job = w.job;
  const auto& q = job.quantization;
  std::string input =
      fmt::format("{} {} {} mean", job.input.layout, job.input.color, job.input.scale);
  for (double m : job.input.mean) input += fmt::format(" {}", m);
  input += " std";
  for (double s : job.input.std) input += fmt::format(" {}", s);
  std::string calibrator = fmt::format("{} {}", q.calibrator, q.percentile);
  if (w.calibrator.kind == CalibratorKind::entropy) calibrator += fmt::format(" bins {}", q.bins);
  std::string calibration = "none";
  if (w.calibration) {
    calibration = fmt::format("{} images {} {} seed {}", w.calibration->digest(),
                              w.calibration_ids.size(), job.calibration.sampling, job.seed);
  }
  return fmt::format(
      "model {}\ninput {}\ncalibration {}\ncalibrator {}\nweights {} {} symmetric {} narrow {} "
      "reduce {}\n"
      "activations symmetric {} {}\nalgorithm {}\nbatch {}\n",
      w.model.sha256, input, calibration, calibrator, q.weight_axis, q.weight_type,
      q.weight_symmetric, q.weight_narrow_range, q.weight_reduce_range, q.activation_symmetric,
      q.activation_type, describe(w.weights), w.batch);
}

/// What decides outcomes besides outputs and data.
std::string head_text(const JobConfig& job) {
  const HeadSpec& h = job.head;
  return fmt::format("task {} classes {}\nhead {} strides {} {} {} {} {}\n", job.task, job.classes,
                     h.kind, fmt::join(h.strides, " "), h.scores, h.confidence, h.nms_iou,
                     h.max_detections);
}

WeightSettings weight_settings(const JobConfig::Quantization& q) {
  WeightSettings settings{.algorithm = parse_weight_algorithm(q.algorithm),
                          .smoothquant_alpha = q.smoothquant_alpha,
                          .bias_correction = q.bias_correction};
  if (q.smoothquant_alpha_auto) settings.smoothquant_alpha.reset();
  return settings;
}

/// Settles what single-layer runs try, and what they leave at the other layers.
void set_probed(Workload& w) {
  const JobConfig::Sensitivity& s = w.job.sensitivity;
  if (s.precisions.empty()) return;
  w.base = w.precisions.add(s.base);
  for (const std::string& name : s.precisions) {
    const std::uint8_t p = w.precisions.add(name);
    if (p != w.base) w.probed.push_back(p);
  }
  const std::string& base = w.precisions.at(w.base).name;
  if (w.probed.empty()) {
    throw Error(ErrorCode::config,
                fmt::format("nothing is left to try on a layer: {} is the base", base),
                "sensitivity.precisions", "Name another precision, or another sensitivity.base");
  }
  if (w.base != 0 && s.score == "sqnr") {
    throw Error(ErrorCode::config,
                fmt::format("score sqnr is of a layer quantized alone, the others are at {}", base),
                "sensitivity.score", "Use kl, mse or drop, or sensitivity.base FP32");
  }
}

/// Refuses an algorithm that has nothing to do, or ranges that it cannot take (R110).
void check_weights(const Workload& w) {
  const std::string_view name = name_of(w.weights.algorithm);
  const WeightSettings plain{.algorithm = w.weights.algorithm};
  const bool looks_at_inputs =
      w.weights.algorithm != WeightAlgorithm::rtn && w.weights.algorithm != WeightAlgorithm::mse;
  const auto all = w.precisions.all();
  if (looks_at_inputs &&
      std::ranges::none_of(all, [&](const Precision& p) { return adapts(plain, p); })) {
    const bool smooths = w.weights.algorithm == WeightAlgorithm::smoothquant;
    throw Error(ErrorCode::config,
                fmt::format("{} has nothing to do: no precision of the job has {}", name,
                            smooths ? "scaled weights and integer activations" : "scaled weights"),
                "quantization.algorithm",
                smooths ? "Use W8A8, or another algorithm" : "Use W4A16:g32, or another algorithm");
  }
  if (w.calibrator.kind == CalibratorKind::minmax) return;
  const auto clash = std::ranges::find_if(all, [&](const Precision& p) {
    return scales_input(w.weights, p) && needs_range(p.activation);
  });
  if (clash != all.end()) {
    throw Error(ErrorCode::config,
                fmt::format("calibrator {} does not fit {}: inputs that {} scales at {} take the "
                            "range of their channels",
                            name_of(w.calibrator.kind), name, name, clash->name),
                "quantization.calibrator", "Use minmax, awq_clip or rtn");
  }
}

/// Every operator type a model may hold: those of this one and those with kernels.
std::vector<std::string> operator_types(const Graph& graph) {
  std::vector<std::string> types = supported_ops();
  for (const Node& node : graph.nodes) types.push_back(node.op);
  return types;
}

/// Adds the scheme that the job's preset, rules and exclusions mean.
void add_ruled_scheme(Workload& w) {
  const auto& q = w.job.quantization;
  const auto& layers = w.program->layers();
  const auto add = [&](const std::vector<QuantRule>& rules) {
    w.rules.insert(w.rules.end(), rules.begin(), rules.end());
  };
  if (!q.preset.empty()) add(find_preset(q.preset).rules);
  add(q.rules);
  add(skip_rules(q.skip));
  add(exclude_nodes(q.exclude_nodes, layers));
  add(exclude_types(q.exclude_types, layers, operator_types(w.program->graph())));
  const std::vector<std::uint8_t> assignment = apply_rules(w.rules, layers, w.precisions);
  const bool quantizes = std::ranges::any_of(assignment, [&](std::uint8_t p) {
    return has_scale(w.precisions.at(p).weight) || has_scale(w.precisions.at(p).activation);
  });
  if (!quantizes)
    log_warning("the preset and rules quantize no layer: all are kept in high precision");
  const std::string name = q.preset.empty() ? "rules"
                           : w.rules.size() == find_preset(q.preset).rules.size()
                               ? q.preset
                               : q.preset + " with rules";
  w.listed_schemes.push_back({name, to_text(assignment, layers, w.precisions)});
}

std::vector<int> tied_leaders(const Program& program, const JobConfig& job) {
  std::vector<int> untied;
  for (const std::string& selector : job.untie) {
    const std::vector<int> selected = select_layers(selector, program.layers());
    untied.insert(untied.end(), selected.begin(), selected.end());
  }
  std::vector<std::vector<int>> ties;
  if (job.tie == "auto") ties = find_ties(program.graph(), program.layers());
  return leaders_of(ties, program.layers().size(), untied);
}

void warn_of_unusual(const Workload& w) {
  for (const Precision& p : w.precisions.all()) {
    if (p.weight.dtype == DType::u8 || p.weight.dtype == DType::u4) {
      log_warning(fmt::format(
          "{} has unsigned weights, which is not typical: few runtimes multiply them", p.name));
    }
  }
}

bool ends_in_softmax(const Graph& graph) {
  const NodeId producer = graph.producer(graph.outputs.at(0));
  return producer >= 0 && graph.nodes[static_cast<std::size_t>(producer)].op == "Softmax";
}

void check_fit(const Workload& w) {
  const Shape& want = w.image_shape;
  const std::int64_t first = w.evaluation_ids.front();
  const Shape got = w.evaluation->images(std::span(&first, 1)).shape();
  if (got != want) {
    throw Error(
        ErrorCode::mismatch,
        fmt::format("the model takes {} but an image is {}", to_string(want), to_string(got)),
        w.job.evaluation.path.string(),
        "Give the model's preprocessing (layout, resize) in the job's input: block");
  }
}

TaskModel task_model(const Workload& w) {
  const Graph& graph = w.program->graph();
  TaskModel model{.outputs = {}, .input = w.image_shape, .ends_in_softmax = ends_in_softmax(graph)};
  for (const ValueId output : graph.outputs)
    model.outputs.push_back(w.trace.shapes.at(static_cast<std::size_t>(output)));
  return model;
}

}  // namespace

std::vector<Range> cut(std::int64_t n, std::int64_t batch) {
  std::vector<Range> ranges;
  for (std::int64_t at = 0; at < n; at += batch) ranges.push_back({at, std::min(n, at + batch)});
  return ranges;
}

std::int64_t Workload::shards() const {
  const auto n = static_cast<std::int64_t>(evaluation_ids.size());
  return (n + job.evaluation.shard - 1) / job.evaluation.shard;
}

std::span<const std::int64_t> Workload::shard_ids(std::int64_t shard) const {
  const auto n = static_cast<std::int64_t>(evaluation_ids.size());
  const std::int64_t begin = shard * job.evaluation.shard;
  const std::int64_t end = std::min(n, begin + job.evaluation.shard);
  QSWEEP_CHECK(begin >= 0 && begin < end);
  return std::span(evaluation_ids)
      .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

std::string Workload::fingerprint() const {
  Sha256 hash;
  hash.update(settings);
  if (evaluation) {
    hash.update(fmt::format("evaluation {} shard {} images {}\n", evaluation->digest(),
                            job.evaluation.shard, evaluation_ids.size()));
  }
  hash.update("statistics 2\noutcomes 2\n");  // layouts of TensorStats and ShardResult in records
  if (job.task != "classification") hash.update(head_text(job));
  hash.update(engine_identity());
  return hash.hex();
}

std::string engine_identity() {
  const Machine& machine = this_machine();
  return fmt::format("qsweep {}, {}, avx512 {}, vnni {}", version(), kernel_libraries(),
                     machine.has_avx512, machine.has_vnni);
}

QuantDefaults quant_defaults(const JobConfig& job) {
  const auto& q = job.quantization;
  QuantDefaults d;
  d.weight_granularity =
      q.weight_axis == "tensor" ? Granularity::per_tensor : Granularity::per_channel;
  d.weight_symmetric = q.weight_symmetric;
  d.weight_narrow_range = q.weight_narrow_range;
  d.weight_reduce_range = q.weight_reduce_range;
  d.weight_unsigned = q.weight_type == "uint8";
  d.activation_symmetric = q.activation_symmetric;
  d.activation_int8 = q.activation_type == "int8" ? DType::i8 : DType::u8;
  return d;
}

std::shared_ptr<const Workload> open_workload(const JobConfig& job,
                                              WorkloadUse use,
                                              const NodeShare& share) {
  auto w = std::make_shared<Workload>();
  w->job = job;
  w->use = use;
  w->share = share;
  ProblemList problems;
  problems.attempt([&] {
    w->model = import_onnx(job.model);
    w->program = std::make_unique<Program>(std::move(w->model.graph));
  });
  if (!job.evaluation.path.empty()) {
    problems.attempt([&] { w->evaluation = open_set(job, job.evaluation, share, " evaluation"); });
  }
  if (!job.calibration.path.empty()) {
    problems.attempt(
        [&] { w->calibration = open_set(job, job.calibration, share, " calibration"); });
  }
  problems.attempt([&] {
    PrecisionSet& set = w->precisions;
    set = PrecisionSet{quant_defaults(job)};
    set_probed(*w);
    for (const JobConfig::Family& family : job.families) {
      set.add(family.rest);
      set.add(family.keep);
    }
    for (const std::string& name : job.search.precisions) set.add(name);
    if (!job.search.method.empty()) set.add(job.search.rest);
    w->calibrator = {parse_calibrator(job.quantization.calibrator), job.quantization.percentile,
                     static_cast<int>(job.quantization.bins)};
    w->weights = weight_settings(job.quantization);
  });
  problems.raise();

  const bool evaluates = use == WorkloadUse::evaluate && w->evaluation != nullptr;
  if (w->evaluation) {
    const std::int64_t available = w->evaluation->size();
    const std::int64_t wanted = job.evaluation.images == 0 ? available : job.evaluation.images;
    w->evaluation_ids =
        choose_samples(*w->evaluation, wanted, parse_sampling(job.evaluation.sampling), job.seed);
  }
  if (w->calibration) {
    w->calibration_ids = choose_samples(*w->calibration, job.calibration.images,
                                        parse_sampling(job.calibration.sampling), job.seed);
    const auto leaked = evaluates ? overlapping_samples(*w->calibration, w->calibration_ids,
                                                        *w->evaluation, w->evaluation_ids)
                                  : std::vector<std::int64_t>{};
    if (!leaked.empty()) {
      throw Error(
          ErrorCode::mismatch,
          fmt::format(
              "{} of {} calibration images are also evaluation images (the first is sample {})",
              leaked.size(), w->calibration_ids.size(), leaked.front()),
          job.calibration.path.string(), "Calibrate on training images");
    }
  }
  const Program& program = *w->program;
  const auto pinned = job.shapes.find(program.graph().value(program.input()).name);
  w->image_shape =
      program.image_shape(pinned == job.shapes.end() ? Shape{} : Shape(pinned->second));
  w->image_shape.at(0) = 1;
  w->trace = program.trace(w->image_shape);
  w->batch = !program.batchable() ? 1
             : job.batch > 0      ? job.batch
                                  : natural_batch(program, w->trace);
  Shape batch_shape = w->image_shape;
  batch_shape[0] = w->batch;
  w->batch_trace = w->batch == 1 ? w->trace : program.trace(batch_shape);
  w->layer_macs.assign(program.layers().size(), 0);
  w->layer_step.assign(program.layers().size(), -1);
  for (std::size_t s = 0; s < program.steps().size(); ++s) {
    const int layer = program.steps()[s].layer;
    if (layer < 0) continue;
    w->layer_macs[static_cast<std::size_t>(layer)] = w->trace.macs[s];
    w->layer_step[static_cast<std::size_t>(layer)] = static_cast<int>(s);
  }
  w->leaders = tied_leaders(program, job);
  // Schemes may use precisions no family names; parsing them adds those.
  for (const std::string& text : job.schemes) {
    (void)parse_scheme(text, program.layers(), w->precisions);
    w->listed_schemes.push_back({text, text});
  }
  if (job.quantization.has_rules()) add_ruled_scheme(*w);
  check_weights(*w);
  warn_of_unusual(*w);
  if (evaluates) {
    check_fit(*w);
    w->task = make_vision_task(job, task_model(*w), *w->evaluation, w->evaluation_ids);
  }
  w->settings = canonical_settings(*w);
  return w;
}

NodeShare new_share(const Transport& transport) {
  std::random_device random;
  return {.run = fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random()),
          .ranks = transport.node_size()};
}

void log_decoding(const Workload& w) {
  for (const auto& [name, data] : {std::pair("calibration", w.calibration.get()),
                                   std::pair("evaluation", w.evaluation.get())}) {
    const std::string text = data == nullptr ? std::string() : data->decoding();
    if (!text.empty()) log_info(fmt::format("{}: {}", name, text));
  }
}

}  // namespace qsweep
