#include <utility>

#include "src/base/error.h"

#include "src/exec/program.h"
#include "src/kernels/ops.h"

namespace qsweep {
namespace {

/// Lets go of all values at the end of a run, however it ends.
class Emptied {
 public:
  explicit Emptied(std::vector<Tensor>& values) : values_(values) {}
  ~Emptied() {
    for (Tensor& value : values_) {
      if (!value.empty()) value = Tensor();
    }
  }
  Emptied(const Emptied&) = delete;
  Emptied& operator=(const Emptied&) = delete;

 private:
  std::vector<Tensor>& values_;
};

}  // namespace

std::vector<Tensor> run_operator(const Graph& graph,
                                 const Step& step,
                                 std::span<const Tensor* const> operands) {
  const Node& node = graph.node(step.node);
  std::vector<Tensor> inputs;
  inputs.reserve(step.inputs.size());
  auto next = operands.begin();
  for (const ValueId id : step.inputs) {
    if (id == kNoValue) {
      inputs.emplace_back();
    } else {
      inputs.push_back(graph.is_constant(id) ? *graph.value(id).constant : **next++);
    }
  }
  const OpCall call{node.op,
                    node.domain,
                    graph.opset,
                    node.attributes,
                    static_cast<int>(step.outputs.size()),
                    node.name,
                    step.epilogue == Epilogue::relu};
  std::vector<Tensor> outputs = run_op(call, inputs);
  QSWEEP_CHECK(outputs.size() >= step.outputs.size());
  return outputs;
}

FloatRunner::FloatRunner(const Program& program)
    : program_(program), values_(program.graph().values.size()) {
  for (const LayerId layer : ids<LayerId>(program.layers().size())) {
    kernels_.push_back(
        make_float_kernel(program.spec(layer), program.weight(layer), program.bias(layer)));
  }
  const Graph& graph = program.graph();
  std::vector<bool> read_later(graph.values.size(), false);
  for (const ValueId id : graph.outputs) read_later[static_cast<std::size_t>(id)] = true;
  last_reads_.resize(program.steps().size());
  for (std::size_t s = program.steps().size(); s-- > 0;) {
    const Step& step = program.steps()[s];
    for (const auto* ids : {&step.inputs, &step.outputs}) {
      for (const ValueId id : *ids) {
        if (id == kNoValue || read_later[static_cast<std::size_t>(id)]) continue;
        read_later[static_cast<std::size_t>(id)] = true;
        if (!graph.is_constant(id)) last_reads_[s].push_back(id);
      }
    }
  }
}

std::vector<Tensor> FloatRunner::run(std::span<const Tensor> inputs, const ValueVisitor& visit) {
  const Graph& graph = program_.graph();
  if (inputs.size() != graph.inputs.size()) {
    throw Error(ErrorCode::usage,
                "the model takes " + std::to_string(graph.inputs.size()) + " inputs, not " +
                    std::to_string(inputs.size()),
                graph.name);
  }
  const Emptied emptied(values_);
  const auto value = [&](ValueId id) -> Tensor& { return values_[static_cast<std::size_t>(id)]; };
  const auto set = [&](ValueId id, Tensor tensor) {
    if (visit) visit(id, tensor);
    value(id) = std::move(tensor);
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) set(graph.inputs[i], inputs[i]);
  std::vector<const Tensor*> operands;
  for (std::size_t s = 0; s < program_.steps().size(); ++s) {
    const Step& step = program_.steps()[s];
    if (step.layer) {
      set(step.outputs[0], kernels_[step.layer.index()]->run(value(step.inputs[0])));
    } else {
      operands.clear();
      for (const ValueId id : step.inputs) {
        if (id != kNoValue && !graph.is_constant(id)) operands.push_back(&value(id));
      }
      std::vector<Tensor> outputs = run_operator(graph, step, operands);
      for (std::size_t i = 0; i < step.outputs.size(); ++i) {
        if (step.outputs[i] != kNoValue) set(step.outputs[i], std::move(outputs[i]));
      }
    }
    for (const ValueId id : last_reads_[s]) value(id) = Tensor();
  }
  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) {
    const Tensor& output = graph.is_constant(id) ? *graph.value(id).constant : value(id);
    outputs.push_back(output.to_layout(Layout::row_major));
  }
  return outputs;
}

std::vector<Tensor> run_float(const Program& program,
                              const std::vector<Tensor>& inputs,
                              const ValueVisitor& visit) {
  return FloatRunner(program).run(inputs, visit);
}

}  // namespace qsweep
