#include "sweep/run/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "src/base/error.h"

#include "src/exec/program.h"
#include "src/graph/passes.h"
#include "src/graph/qdq.h"

#include "io/onnx/import.h"

#include "sweep/job/workload.h"

namespace qsweep {
namespace {

class SummaryBuilder {
 public:
  void add(std::span<const float> values) {
    for (const float v : values) {
      const auto x = static_cast<double>(v);
      min_ = std::min(min_, x);
      max_ = std::max(max_, x);
      sum_ += x;
      squares_ += x * x;
    }
    count_ += static_cast<double>(values.size());
  }
  [[nodiscard]] TensorSummary summary() const {
    if (count_ == 0.0) return {};
    const double mean = sum_ / count_;
    return {min_, max_, mean, std::sqrt(std::max(0.0, squares_ / count_ - mean * mean))};
  }

 private:
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0.0, squares_ = 0.0, count_ = 0.0;
};

struct Entry {
  TensorComparison comparison;
  SummaryBuilder in_float, in_other;
};

/// What the comparison looks at in the other model, by value.
struct Watch {
  std::map<ValueId, std::string> compared;     ///< value -> its name in the float model
  std::map<ValueId, std::string> before_pair;  ///< input of a Q/DQ pair -> the same name
  std::map<ValueId, ValueId> pair_after;       ///< output of a pair -> its input
  std::set<std::string> quantized;
};

Watch watch_values(const Graph& graph) {
  Watch watch;
  for (const QdqPair& pair : find_qdq_pairs(graph)) {
    watch.compared[pair.after] = pair.tensor;
    watch.before_pair[pair.before] = pair.tensor;
    watch.pair_after[pair.after] = pair.before;
    watch.quantized.insert(pair.tensor);
  }
  for (const Node& node : graph.nodes) {
    if (node.op == "QuantizeLinear" || node.op == "DequantizeLinear") continue;
    for (const ValueId id : node.outputs) {
      if (id == kNoValue || watch.before_pair.contains(id)) continue;
      watch.compared.try_emplace(id, graph.value(id).name);
    }
  }
  return watch;
}

std::vector<float> elements(const Tensor& tensor) {
  const Tensor rows = tensor.to_layout(Layout::row_major);
  const auto data = rows.data<float>();
  return {data.begin(), data.end()};
}

/// With the real values behind operators on codes.
Program open_program(ImportedModel& model) {
  name_nodes(model.graph);
  expand_qoperators(model.graph);
  return Program(std::move(model.graph), Program::Epilogues::separate);
}

class Comparer {
 public:
  Comparer(const Program& reference, const Program& other)
      : reference_(reference),
        reference_runner_(reference),
        other_runner_(other),
        watch_(watch_values(other.graph())) {
    for (const auto& [id, name] : watch_.compared) wanted_.insert(name);
  }

  /// @return the outputs of both
  std::pair<std::vector<Tensor>, std::vector<Tensor>> run(const Tensor& batch) {
    std::map<std::string, std::vector<float>> expected;
    std::vector<Tensor> first =
        reference_runner_.run({&batch, 1}, [&](ValueId id, const Tensor& tensor) {
          const std::string& name = reference_.graph().value(id).name;
          if (tensor.dtype() == DType::f32 && wanted_.contains(name))
            expected[name] = elements(tensor);
        });
    std::map<ValueId, std::vector<float>> before;
    std::vector<Tensor> second =
        other_runner_.run({&batch, 1}, [&](ValueId id, const Tensor& tensor) {
          if (tensor.dtype() != DType::f32) return;
          if (watch_.before_pair.contains(id)) before[id] = elements(tensor);
          const auto compared = watch_.compared.find(id);
          if (compared == watch_.compared.end()) return;
          const auto found = expected.find(compared->second);
          const std::vector<float> values = elements(tensor);
          if (found == expected.end() || found->second.size() != values.size()) return;
          Entry& entry = entry_of(compared->second);
          entry.comparison.accumulated.add(found->second, values);
          entry.in_float.add(found->second);
          entry.in_other.add(values);
          if (const auto pair = watch_.pair_after.find(id); pair != watch_.pair_after.end())
            entry.comparison.local.add(before.at(pair->second), values);
        });
    return {std::move(first), std::move(second)};
  }

  void finish(ModelComparison& result) {
    for (const std::string& name : order_) {
      Entry& entry = entries_.at(name);
      entry.comparison.in_float = entry.in_float.summary();
      entry.comparison.in_other = entry.in_other.summary();
      result.tensors.push_back(entry.comparison);
    }
    for (const std::string& name : watch_.quantized) {
      if (!entries_.contains(name)) result.unmatched.push_back(name);
    }
  }

 private:
  Entry& entry_of(const std::string& name) {
    const auto [at, is_new] = entries_.try_emplace(name);
    if (is_new) {
      order_.push_back(name);
      at->second.comparison.tensor = name;
      at->second.comparison.quantized = watch_.quantized.contains(name);
    }
    return at->second;
  }

  const Program& reference_;
  FloatRunner reference_runner_;
  FloatRunner other_runner_;
  Watch watch_;
  std::set<std::string> wanted_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
};

}  // namespace

ModelComparison compare_models(const JobConfig& job,
                               const std::filesystem::path& other_path,
                               Progress& progress) {
  const auto workload = open_workload(job, WorkloadUse::look);
  ImportedModel reference_model = import_onnx(job.model);
  ImportedModel other_model = import_onnx(other_path);
  ModelComparison result;
  result.float_sha256 = reference_model.sha256;
  result.other_sha256 = other_model.sha256;
  const Program reference = open_program(reference_model);
  const Program other = open_program(other_model);
  if (other.graph().inputs.size() != 1 ||
      other.image_shape(workload->model.image_shape) != workload->model.image_shape) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("the models take different inputs: {} and {}",
                            to_string(workload->model.image_shape),
                            to_string(other.image_shape(workload->model.image_shape))),
                other_path.string(), "Compare a model with one made from it");
  }
  const std::int64_t batch = other.batchable() ? workload->model.batch : 1;
  result.images = workload->evaluation.size();
  if (reference.graph().outputs.size() != other.graph().outputs.size()) {
    throw Error(ErrorCode::corrupt_input, "the models have different outputs", other_path.string(),
                "Compare a model with one made from it");
  }
  Comparer comparer(reference, other);
  const Scorer* scorer = workload->all.scorer.get();
  ByteWriter float_outcomes, other_outcomes;
  progress.begin("compare", static_cast<double>(result.images));
  for (const Range& r : cut(result.images, batch)) {
    const auto chunk = workload->evaluation.ids(r);
    const auto [first, second] = comparer.run(workload->evaluation.images(r));
    if (scorer != nullptr) {
      (void)scorer->score(first, first, chunk, false, float_outcomes);
      (void)scorer->score(second, first, chunk, false, other_outcomes);
    }
    progress.advance(static_cast<double>(r.end), {});
  }
  progress.end();
  comparer.finish(result);
  if (scorer == nullptr) {
    result.unscored = workload->unscored;
    return result;
  }
  const auto float_verdict = scorer->judge(float_outcomes.bytes(), false);
  const auto other_verdict = scorer->judge(other_outcomes.bytes(), false);
  result.metrics = scorer->metrics();
  result.float_summary = float_verdict->summary();
  result.other_summary = other_verdict->summary();
  result.drop = other_verdict->compare(*float_verdict);
  return result;
}

}  // namespace qsweep
