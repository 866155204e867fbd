#include "sweep/work/evaluate.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/base/error.h"

#include "src/exec/walk.h"

#include "sweep/work/records.h"

namespace qsweep {
namespace {

/// Outputs of the float model that a rank keeps, unless a single shard has more.
constexpr std::size_t kMostKeptBytes = std::size_t{256} << 20;

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

std::pair<std::int64_t, std::int64_t> key_of(Range shard) {
  return {shard.begin, shard.end};
}

/// Collects the results of the schemes of one task, batch after batch.
class ShardSink final : public WalkSink {
 public:
  /// @param index of each walked scheme among the `schemes` results
  ShardSink(const Scorer& scorer, std::size_t schemes, std::vector<int> index, bool detail)
      : scorer_(scorer),
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
         scorer_.score(outputs, baseline_, samples_, detail_, outcomes_.at(result))) {
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
  ShardResult::LayerProbe& probe_of(int scheme, LayerId layer) {
    auto& probes =
        results_.at(static_cast<std::size_t>(index_.at(static_cast<std::size_t>(scheme)))).probes;
    const auto at = std::ranges::find(probes, layer, &ShardResult::LayerProbe::layer);
    if (at != probes.end()) return *at;
    return probes.emplace_back(ShardResult::LayerProbe{.layer = layer, .output = {}, .input = {}});
  }

  const Scorer& scorer_;
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

/// The batches of a shard, as images of the evaluation set.
std::vector<Range> batches_of(const Workload& w, Range shard) {
  std::vector<Range> batches = cut(shard.size(), w.model.batch);
  for (Range& b : batches) b = {shard.begin + b.begin, shard.begin + b.end};
  return batches;
}

}  // namespace

const std::vector<ShardEvaluator::Outputs>& ShardEvaluator::float_outputs(Range shard) {
  const auto found = kept_.find(key_of(shard));
  if (found != kept_.end()) return found->second;
  const Workload& w = rank_.workload();
  const std::vector<Assignment> only_float = {Assignment(w.layers().size(), 0)};
  const Walk walk =
      plan_walk(*w.model.program, w.model.batch_trace, w.plan.precisions.all(), only_float,
                {.adaptations = &rank_.adaptations(), .placement = &w.model.placement});
  OutputSink sink;
  for (const Range& batch : batches_of(w, shard))
    run_walk(walk, rank_.bank(), w.evaluation.images(batch), sink);
  return keep(shard, sink.take());
}

const std::vector<ShardEvaluator::Outputs>& ShardEvaluator::keep(Range shard,
                                                                 std::vector<Outputs> batches) {
  const std::size_t bytes = bytes_of(batches);
  // Tasks come shard after shard, so the others can go.
  if (kept_bytes_ + bytes > kMostKeptBytes) {
    kept_.clear();
    kept_bytes_ = 0;
  }
  kept_bytes_ += bytes;
  return kept_.emplace(key_of(shard), std::move(batches)).first->second;
}

EvaluateResult ShardEvaluator::evaluate(const EvaluateTask& task) {
  const auto start = std::chrono::steady_clock::now();
  const Workload& w = rank_.workload();
  QSWEEP_CHECK(w.all.scorer != nullptr);
  const bool is_kept = kept_.contains(key_of(task.images));
  // A walk with probes begins with the float model, whose inner values it compares with. Others
  // only need its outputs, which are mostly at hand.
  const std::vector<Outputs>* outputs = task.probe ? nullptr : &float_outputs(task.images);
  const Assignment only_float(w.layers().size(), 0);
  std::vector<Assignment> schemes = task.schemes;
  if (task.probe) schemes.insert(schemes.begin(), only_float);
  std::vector<Assignment> walked;
  std::vector<int> index;  // of a walked scheme among `schemes`
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    if (!task.probe && schemes[i] == only_float) continue;
    walked.push_back(schemes[i]);
    index.push_back(static_cast<int>(i));
  }
  const Walk walk =
      plan_walk(*w.model.program, w.model.batch_trace, w.plan.precisions.all(), walked,
                {.reuse = true,
                 .memory_budget = w.job.memory_budget_mb << 20,
                 .probe = task.probe,
                 .adaptations = &rank_.adaptations(),
                 .placement = &w.model.placement});
  QSWEEP_CHECK(!task.probe || walk.order.front() == 0);
  ShardSink sink(*w.all.scorer, schemes.size(), std::move(index), task.detail);
  std::size_t number = 0;
  std::vector<Outputs> walked_outputs;
  for (const Range& batch : batches_of(w, task.images)) {
    sink.begin_batch(
        outputs ? std::span<const Tensor>(outputs->at(number)) : std::span<const Tensor>(),
        w.evaluation.ids(batch));
    for (std::size_t i = 0; outputs && i < schemes.size(); ++i) {
      if (schemes[i] == only_float) sink.score(i, outputs->at(number));
    }
    ++number;
    if (!walked.empty()) run_walk(walk, rank_.bank(), w.evaluation.images(batch), sink);
    if (task.probe) walked_outputs.push_back(sink.baseline());
  }
  if (task.probe && !is_kept) (void)keep(task.images, std::move(walked_outputs));
  const double share = seconds_since(start) / static_cast<double>(task.schemes.size());
  const double image_work = w.model.image_work();
  const auto images = static_cast<double>(task.images.size());
  const auto batches = images / static_cast<double>(w.model.batch_trace.input_shape.at(0));
  EvaluateResult result{
      .work = walk.work * batches + (!task.probe && !is_kept ? image_work * images : 0.0),
      .work_without_reuse =
          walk.work_without_reuse * batches +
          static_cast<double>(schemes.size() - walked.size()) * image_work * images,
      .records = {}};
  for (std::size_t i = task.probe ? 1 : 0; i < schemes.size(); ++i) {
    ShardResult of_scheme = sink.take(i);
    of_scheme.seconds = share;
    result.records.push_back(encode(of_scheme));
  }
  return result;
}

}  // namespace qsweep
