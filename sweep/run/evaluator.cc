#include "sweep/run/evaluator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "src/base/log.h"

#include "io/store/sweep_store.h"

#include "sweep/run/layer_inputs.h"

namespace qsweep {
namespace {

/// Outputs of the float model that a rank keeps, unless a single shard has more.
constexpr std::size_t kMostBaselineBytes = std::size_t{256} << 20;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Both tensors in the reference's layout, so that elements pair up.
void add_errors(ErrorSums& sums, const Tensor& reference, const Tensor& value) {
  sums.add(reference.data<float>(), value.to_layout(reference.layout()).data<float>());
}

std::vector<Tensor> row_major(std::span<const Tensor> outputs) {
  std::vector<Tensor> all;
  for (const Tensor& output : outputs) all.push_back(output.to_layout(Layout::row_major));
  return all;
}

std::size_t bytes_of(const std::vector<std::vector<Tensor>>& batches) {
  std::size_t bytes = 0;
  for (const auto& batch : batches)
    for (const Tensor& tensor : batch) bytes += tensor.bytes();
  return bytes;
}

/// Collects the results of the schemes of one task, batch after batch.
class ShardSink final : public WalkSink {
 public:
  /// @param index of each walked scheme among the `schemes` results
  ShardSink(const Workload& workload, std::size_t schemes, std::vector<int> index, bool detail)
      : workload_(workload),
        detail_(detail),
        index_(std::move(index)),
        results_(schemes),
        outcomes_(schemes) {}

  /// @param baseline the float model's outputs; empty: those of the first scheme walked
  void begin_batch(std::span<const Tensor> baseline, std::span<const std::int64_t> samples) {
    baseline_ = baseline;
    samples_ = samples;
  }

  void output(int scheme, std::span<const Tensor> outputs) override {
    if (baseline_.empty()) {
      first_ = row_major(outputs);
      baseline_ = first_;
    }
    score(static_cast<std::size_t>(index_.at(static_cast<std::size_t>(scheme))),
          row_major(outputs));
  }

  /// Adds a batch's outputs to a result.
  void score(std::size_t result, std::span<const Tensor> outputs) {
    ShardResult& r = results_.at(result);
    for (const ImageScore& s :
         workload_.task->score(outputs, baseline_, samples_, detail_, outcomes_.at(result))) {
      r.kl_sum += static_cast<double>(s.divergence);
      r.nonfinite = r.nonfinite || !s.finite;
    }
    for (std::size_t i = 0; i < outputs.size(); ++i)
      r.output_error.add(baseline_[i].data<float>(), outputs[i].data<float>());
  }

  void probe(const Probe& p) override {
    ShardResult::LayerProbe& errors = probe_of(p.scheme, p.layer);
    add_errors(errors.output, p.baseline, p.value);
    if (p.twin >= 0) {
      errors.input = probe_of(p.twin, p.layer).input;  // of this batch too, and of all before
    } else {
      add_errors(errors.input, p.input, p.quantized_input());
    }
  }

  /// The float model's outputs for the batch.
  [[nodiscard]] std::vector<Tensor> baseline() const {
    return {baseline_.begin(), baseline_.end()};
  }

  ShardResult take(std::size_t result) {
    results_.at(result).outcomes = outcomes_.at(result).take();
    return std::move(results_[result]);
  }

 private:
  ShardResult::LayerProbe& probe_of(int scheme, int layer) {
    auto& probes =
        results_.at(static_cast<std::size_t>(index_.at(static_cast<std::size_t>(scheme)))).probes;
    const auto at = std::ranges::find(probes, layer, &ShardResult::LayerProbe::layer);
    if (at != probes.end()) return *at;
    return probes.emplace_back(ShardResult::LayerProbe{.layer = layer, .output = {}, .input = {}});
  }

  const Workload& workload_;
  bool detail_;
  std::vector<int> index_;
  std::vector<ShardResult> results_;
  std::vector<ByteWriter> outcomes_;
  std::vector<Tensor> first_;
  std::span<const Tensor> baseline_;
  std::span<const std::int64_t> samples_;
};

class OutputSink final : public WalkSink {
 public:
  void output(int, std::span<const Tensor> outputs) override {
    batches_.push_back(row_major(outputs));
  }
  std::vector<std::vector<Tensor>> take() { return std::move(batches_); }

 private:
  std::vector<std::vector<Tensor>> batches_;
};

/// Keeps the probed values of chosen layers, images appended in order.
class CaptureSink final : public WalkSink {
 public:
  explicit CaptureSink(std::span<const std::int32_t> layers)
      : wanted_(layers.begin(), layers.end()) {}
  void output(int, std::span<const Tensor>) override {}
  void probe(const Probe& p) override {
    if (!wanted_.contains(p.layer)) return;
    auto& [floats, quantized] = values_[p.layer];
    floats.push_back(p.baseline.to_layout(Layout::row_major));
    quantized.push_back(p.value.to_layout(Layout::row_major));
  }
  std::vector<ActivationPart> parts(const Program& program) const {
    std::vector<ActivationPart> parts;
    for (const auto& [layer, values] : values_) {
      parts.push_back({program.layers()[static_cast<std::size_t>(layer)].name, stack(values.first),
                       stack(values.second)});
    }
    return parts;
  }

 private:
  static Tensor stack(const std::vector<Tensor>& batches) {
    Shape shape = batches.front().shape();
    shape[0] = 0;
    for (const Tensor& t : batches) shape[0] += t.dim(0);
    Tensor all(DType::f32, shape);
    auto out = all.mutable_data<float>().begin();
    for (const Tensor& t : batches)
      out = std::copy(t.data<float>().begin(), t.data<float>().end(), out);
    return all;
  }
  std::set<std::int32_t> wanted_;
  std::map<std::int32_t, std::pair<std::vector<Tensor>, std::vector<Tensor>>> values_;
};

}  // namespace

Evaluator::Evaluator(int rank, int node_ranks, std::shared_ptr<const Workload> workload)
    : rank_(rank), node_ranks_(node_ranks), workload_(std::move(workload)) {}

Bytes Evaluator::open_job_message(const Workload& workload, const std::string& log_directory) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(MessageKind::open_job));
  out.u8(static_cast<std::uint8_t>(workload.use));
  out.str(to_yaml(workload.job));
  out.str(workload.fingerprint());
  out.str(log_directory);
  out.str(workload.share.run);
  return out.take();
}

Bytes Evaluator::ranges_message(const std::vector<TensorStats>& by_layer) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(MessageKind::ranges));
  out.raw(encode_stats(by_layer));
  return out.take();
}

Bytes Evaluator::adaptations_message(const Adaptations& adaptations) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(MessageKind::adaptations));
  out.raw(encode_adaptations(adaptations));
  return out.take();
}

void Evaluator::configure(ByteView state) {
  ByteReader in(state, "state message");
  const auto kind = static_cast<MessageKind>(in.u8());
  if (kind == MessageKind::open_job) {
    const WorkloadUse use = in.u8() == 0 ? WorkloadUse::evaluate : WorkloadUse::calibrate;
    const std::string yaml = in.str();
    const std::string fingerprint = in.str();
    const std::string log_directory = in.str();
    const std::string run = in.str();
    in.finish();
    if (rank_ != 0 && !log_directory.empty()) {
      open_log_file(std::filesystem::path(log_directory) / fmt::format("rank-{}.log", rank_),
                    rank_);
      log_info(fmt::format("rank {} opens the job", rank_));
    }
    if (!workload_) {
      workload_ = open_workload(parse_composed(yaml, "configuration sent by rank 0"), use,
                                {.run = run, .ranks = node_ranks_});
    }
    if (workload_->fingerprint() != fingerprint) {
      throw Error(ErrorCode::mismatch,
                  fmt::format("rank {} sees another model, data or engine than rank 0", rank_),
                  workload_->job.model.string(),
                  "Give every rank the same files and the same kind of CPU");
    }
  } else if (kind == MessageKind::ranges) {
    stats_ = decode_stats(in);
    in.finish();
    bank_.reset();
    setup_.reset();
  } else if (kind == MessageKind::adaptations) {
    adaptations_ = decode_adaptations(in);
    in.finish();
    bank_.reset();
    setup_.reset();
  } else {
    throw Error(ErrorCode::internal, "unknown state message");
  }
}

std::function<Tensor(Tensor)> Evaluator::constant_keeper() {
  const Workload& w = *workload_;
  if (w.share.ranks > 1 && !std::exchange(asked_for_constants_, true)) {
    // Kernels hold weights in a few forms, the largest of nine times their bytes. Addresses only.
    constexpr std::size_t kForms = 16;
    std::size_t bytes = 0;
    for (int layer = 0; layer < static_cast<int>(w.program->layers().size()); ++layer)
      bytes += w.program->weight(layer).bytes();
    try {
      constants_ = std::make_shared<SharedTensors>(w.share, "constants",
                                                   bytes * kForms * w.precisions.all().size());
    } catch (const Error& e) {
      log_info(
          fmt::format("layers' constants are not shared by the ranks of this node: {}", e.what()));
    }
  }
  if (!constants_) return {};
  return [constants = constants_](Tensor own) { return constants->keep(std::move(own)); };
}

LayerBank& Evaluator::bank() {
  if (!bank_) {
    const auto precisions = workload_->precisions.all();
    setup_ = std::make_unique<QuantSetup>(
        QuantSetup{.precisions = {precisions.begin(), precisions.end()},
                   .input_stats = stats_,
                   .calibrator = workload_->calibrator,
                   .weight_algorithm = workload_->weights.algorithm,
                   .adaptations = adaptations_,
                   .keep = constant_keeper()});
    bank_ = std::make_unique<LayerBank>(*workload_->program, *setup_);
  }
  return *bank_;
}

Bytes Evaluator::run(ByteView task) {
  if (!workload_) throw Error(ErrorCode::internal, fmt::format("rank {} has no job open", rank_));
  ByteReader in(task, "task message");
  switch (static_cast<MessageKind>(in.u8())) {
    case MessageKind::calibrate:
      return calibrate(CalibrateTask::decode(in));
    case MessageKind::adapt:
      return adapt(AdaptTask::decode(in));
    case MessageKind::evaluate:
      return evaluate(EvaluateTask::decode(in));
    case MessageKind::capture:
      return capture(CaptureTask::decode(in));
    default:
      throw Error(ErrorCode::internal, "unknown task message");
  }
}

Bytes Evaluator::adapt(const AdaptTask& task) {
  const Workload& w = *workload_;
  const Layer& layer = w.program->layers().at(static_cast<std::size_t>(task.layer));
  const Adaptation adaptation =
      adapt_layer(w.program->weight(task.layer), {layer.output_axis, layer.input_axis},
                  w.precisions.at(task.precision), w.weights, task.inputs,
                  bank().activation(task.layer, task.precision));
  ByteWriter out;
  adaptation.write(out);
  return out.take();
}

Bytes Evaluator::calibrate(const CalibrateTask& task) {
  const Workload& w = *workload_;
  if (task.pass == CalibrationPass::inputs)
    return encode_inputs(gather_inputs(w, {task.begin, task.end}));
  const bool histogram = task.pass == CalibrationPass::histogram;
  const auto& layers = w.program->layers();
  // One observer per tensor; layers that read the same tensor share it.
  std::map<ValueId, TensorStats> observers;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (histogram) {
      observers.try_emplace(layers[i].input, stats_.at(i).empty_histogram());
    } else {
      observers.try_emplace(layers[i].input);
    }
  }
  const auto ids = std::span(w.calibration_ids)
                       .subspan(static_cast<std::size_t>(task.begin),
                                static_cast<std::size_t>(task.end - task.begin));
  FloatRunner runner(*w.program);
  for (const Range& r : cut(static_cast<std::int64_t>(ids.size()), w.batch)) {
    const auto count = static_cast<std::size_t>(r.end - r.begin);
    const Tensor images =
        w.calibration->images(ids.subspan(static_cast<std::size_t>(r.begin), count));
    const auto observe = [&](ValueId value, const Tensor& tensor) {
      const auto at = observers.find(value);
      if (at == observers.end() || tensor.dtype() != DType::f32) return;
      const auto all = tensor.data<float>();
      const bool by_image = tensor.rank() > 0 && tensor.dim(0) == static_cast<std::int64_t>(count);
      const std::size_t slice = by_image ? all.size() / count : all.size();
      for (std::size_t i = 0; i + slice <= all.size() && slice > 0; i += slice) {
        const auto image = all.subspan(i, slice);
        histogram ? at->second.add_histogram(image) : at->second.add_range(image);
      }
    };
    (void)runner.run({&images, 1}, observe);
  }
  std::vector<TensorStats> by_layer;
  for (const Layer& layer : layers) by_layer.push_back(observers.at(layer.input));
  return encode_stats(by_layer);
}

const std::vector<Evaluator::Outputs>& Evaluator::baseline(std::int64_t shard) {
  const auto found = baseline_.find(shard);
  if (found != baseline_.end()) return found->second;
  const Workload& w = *workload_;
  const std::vector<Assignment> only_float = {Assignment(w.program->layers().size(), 0)};
  const Walk walk = plan_walk(*w.program, w.batch_trace, w.precisions.all(), only_float,
                              {.adaptations = &adaptations_});
  const auto ids = w.shard_ids(shard);
  OutputSink sink;
  for (const Range& r : cut(static_cast<std::int64_t>(ids.size()), w.batch)) {
    run_walk(walk, bank(),
             w.evaluation->images(ids.subspan(static_cast<std::size_t>(r.begin),
                                              static_cast<std::size_t>(r.end - r.begin))),
             sink);
  }
  return keep_baseline(shard, sink.take());
}

const std::vector<Evaluator::Outputs>& Evaluator::keep_baseline(std::int64_t shard,
                                                                std::vector<Outputs> batches) {
  const std::size_t bytes = bytes_of(batches);
  // Tasks come shard after shard, so the others can go.
  if (baseline_bytes_ + bytes > kMostBaselineBytes) {
    baseline_.clear();
    baseline_bytes_ = 0;
  }
  baseline_bytes_ += bytes;
  return baseline_.emplace(shard, std::move(batches)).first->second;
}

Bytes Evaluator::evaluate(const EvaluateTask& task) {
  const auto start = std::chrono::steady_clock::now();
  const Workload& w = *workload_;
  // A walk with probes begins with the float model, whose inner values it compares with. Others
  // only need its outputs, which are mostly at hand.
  const bool computes_baseline = !task.probe && !baseline_.contains(task.shard);
  const std::vector<Outputs>* outputs = task.probe ? nullptr : &baseline(task.shard);
  const Assignment only_float(w.program->layers().size(), 0);
  std::vector<Assignment> schemes = task.schemes;
  if (task.probe) schemes.insert(schemes.begin(), only_float);
  std::vector<Assignment> walked;
  std::vector<int> index;  // of a walked scheme among `schemes`
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    if (!task.probe && schemes[i] == only_float) continue;
    walked.push_back(schemes[i]);
    index.push_back(static_cast<int>(i));
  }
  const Walk walk = plan_walk(*w.program, w.batch_trace, w.precisions.all(), walked,
                              {.reuse = true,
                               .memory_budget = w.job.memory_budget_mb << 20,
                               .probe = task.probe,
                               .adaptations = &adaptations_});
  QSWEEP_CHECK(!task.probe || walk.order.front() == 0);
  const auto ids = w.shard_ids(task.shard);
  ShardSink sink(w, schemes.size(), std::move(index), task.detail);
  std::size_t batch = 0;
  std::vector<Outputs> walked_baseline;
  for (const Range& r : cut(static_cast<std::int64_t>(ids.size()), w.batch)) {
    const auto batch_ids =
        ids.subspan(static_cast<std::size_t>(r.begin), static_cast<std::size_t>(r.end - r.begin));
    sink.begin_batch(
        outputs ? std::span<const Tensor>(outputs->at(batch)) : std::span<const Tensor>(),
        batch_ids);
    for (std::size_t i = 0; outputs && i < schemes.size(); ++i) {
      if (schemes[i] == only_float) sink.score(i, outputs->at(batch));
    }
    ++batch;
    if (!walked.empty()) run_walk(walk, bank(), w.evaluation->images(batch_ids), sink);
    if (task.probe) walked_baseline.push_back(sink.baseline());
  }
  if (task.probe && !baseline_.contains(task.shard))
    (void)keep_baseline(task.shard, std::move(walked_baseline));
  const double share = seconds_since(start) / static_cast<double>(task.schemes.size());
  const double float_work = std::accumulate(w.trace.work.begin(), w.trace.work.end(), 0.0);
  const auto images = static_cast<double>(ids.size());
  const auto batches = images / static_cast<double>(w.batch_trace.input_shape.at(0));
  ByteWriter out;
  out.f64(walk.work * batches + (computes_baseline ? float_work * images : 0.0));
  out.f64(walk.work_without_reuse * batches +
          static_cast<double>(schemes.size() - walked.size()) * float_work * images);
  for (std::size_t i = task.probe ? 1 : 0; i < schemes.size(); ++i) {
    ShardResult result = sink.take(i);
    result.seconds = share;
    ByteWriter one;
    result.write(one);
    out.blob(one.bytes());
  }
  return out.take();
}

Bytes Evaluator::capture(const CaptureTask& task) {
  const Workload& w = *workload_;
  const std::vector<Assignment> schemes = {Assignment(task.reference.size(), 0), task.reference};
  const Walk walk = plan_walk(*w.program, w.batch_trace, w.precisions.all(), schemes,
                              {.probe = true, .adaptations = &adaptations_});
  CaptureSink sink(task.layers);
  const auto ids = std::span(w.evaluation_ids).first(static_cast<std::size_t>(task.images));
  for (const Range& r : cut(task.images, w.batch)) {
    run_walk(walk, bank(),
             w.evaluation->images(ids.subspan(static_cast<std::size_t>(r.begin),
                                              static_cast<std::size_t>(r.end - r.begin))),
             sink);
  }
  const std::string file = fmt::format("rank-{}-part-{}.h5", rank_, task.part);
  write_activation_part(std::filesystem::path(task.directory) / file, sink.parts(*w.program));
  ByteWriter out;
  out.str(file);
  return out.take();
}

}  // namespace qsweep
