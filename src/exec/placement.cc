#include "src/exec/placement.h"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace qsweep {
namespace {

bool contains(std::span<const std::string_view> all, std::string_view op) {
  return std::ranges::find(all, op) != all.end();
}

/// By value: the steps that read it.
std::vector<std::vector<StepId>> readers_of(const Program& program) {
  std::vector<std::vector<StepId>> readers(program.graph().values.size());
  for (const StepId id : ids<StepId>(program.steps().size())) {
    for (const ValueId value : program.step(id).inputs) {
      if (value != kNoValue) readers[static_cast<std::size_t>(value)].push_back(id);
    }
  }
  return readers;
}

/// What the target makes of a step by itself.
/// @param ends it computes an output of the graph
QuantizerPlacement::StepRole own_role(const Graph& graph,
                                      const Step& step,
                                      bool ends,
                                      const Target& target) {
  using Role = QuantizerPlacement::Role;
  const Node& node = graph.node(step.node);
  if (step.layer) {
    if (!contains(target.rounded_layers, node.op)) return {};
    return {.role = Role::layer, .rounds = !(ends && contains(target.float_at_the_end, node.op))};
  }
  switch (target.role_of(graph, node)) {
    case ChainRole::none:
      return {};
    case ChainRole::keeps:
      return {.role = Role::keeps};
    case ChainRole::rescales:
      break;
  }
  // A constant operand would have to be rounded too.
  const bool has_constants = std::ranges::any_of(
      step.inputs, [&](ValueId id) { return id == kNoValue || graph.is_constant(id); });
  if (has_constants || step.outputs.size() != 1) return {};
  return {.role = Role::rescales, .rounds = true};
}

/// True for an activation function of `value` that the kernel before it takes in.
bool is_absorbed(const Graph& graph, const Step& step, ValueId value, const Target& target) {
  const Node& node = graph.node(step.node);
  return !step.layer && step.inputs[0] == value && node.domain.empty() &&
         contains(target.absorbed, node.op);
}

}  // namespace

QuantizerPlacement::QuantizerPlacement(const Program& program, const Target& target) {
  if (!target.rounds_outputs()) return;
  target_ = &target;
  const Graph& graph = program.graph();
  const auto readers = readers_of(program);
  steps_.resize(program.steps().size());
  ranges_.resize(graph.values.size());
  std::iota(ranges_.begin(), ranges_.end(), ValueId{0});
  for (const StepId id : ids<StepId>(steps_.size())) {
    const Step& step = program.step(id);
    StepRole& role = steps_[id.index()];
    const bool ends = std::ranges::any_of(step.outputs, [&](ValueId value) {
      return std::ranges::find(graph.outputs, value) != graph.outputs.end();
    });
    if (role.role != Role::follows) role = own_role(graph, step, ends, target);
    if (role.role == Role::keeps) {
      for (const ValueId value : step.outputs) {
        if (value != kNoValue) ranges_[static_cast<std::size_t>(value)] = range_of(step.inputs[0]);
      }
    }
    if (!role.rounds || ends || step.epilogue != Epilogue::none || role.role == Role::follows)
      continue;
    // The kernel takes in an activation function that alone reads its result.
    const std::vector<StepId>& read_by = readers[static_cast<std::size_t>(step.outputs[0])];
    if (read_by.size() != 1) continue;
    if (!is_absorbed(graph, program.step(read_by[0]), step.outputs[0], target)) continue;
    role.rounds = false;
    steps_[read_by[0].index()] = {Role::follows, id, true};
  }
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    if (steps_[s].rounds) points_.push_back(program.steps()[s].outputs[0]);
  }
}

bool QuantizerPlacement::is_integer(const Precision& precision, std::string_view layer_op) const {
  return target_ != nullptr &&
         target_->deployment(precision, layer_op).arithmetic == Arithmetic::integer;
}

Chain::Chain(const Program& program,
             const QuantizerPlacement& placement,
             std::span<const Precision> precisions)
    : program_(program), placement_(placement) {
  if (placement.is_empty()) return;
  for (const Layer& layer : program.layers()) {
    std::vector<int>& row = by_layer_.emplace_back(precisions.size(), kReal);
    for (std::size_t p = 0; p < precisions.size(); ++p) {
      if (!placement.is_integer(precisions[p], layer.op)) continue;
      const Format& format = precisions[p].activation;
      const auto known = std::ranges::find(formats_, format);
      row[p] = static_cast<int>(known - formats_.begin());
      if (known == formats_.end()) formats_.push_back(format);
    }
  }
  steps_.assign(program.steps().size(), kReal);
  values_.assign(program.graph().values.size(), kReal);
}

int Chain::of_inputs(const Step& step) const {
  int format = kReal;
  bool is_first = true;
  for (const ValueId id : step.inputs) {
    if (id == kNoValue || program_.graph().is_constant(id)) continue;
    const int own = format_of(id);
    if (!is_first && own != format) return kReal;
    format = own;
    is_first = false;
  }
  return format;
}

void Chain::visit(StepId step, std::uint8_t precision) {
  if (steps_.empty()) return;
  const Step& s = program_.step(step);
  const QuantizerPlacement::StepRole& role = placement_.role(step);
  int format = kReal;
  switch (role.role) {
    case QuantizerPlacement::Role::none:
      break;
    case QuantizerPlacement::Role::layer:
      format = by_layer_[s.layer.index()][precision];
      break;
    case QuantizerPlacement::Role::follows:
      format = steps_[role.before.index()];
      break;
    case QuantizerPlacement::Role::rescales:
      format = of_inputs(s);
      break;
    case QuantizerPlacement::Role::keeps:
      format = format_of(s.inputs[0]);
      break;
  }
  steps_[step.index()] = format;
  const bool shows = role.rounds || role.role == QuantizerPlacement::Role::keeps;
  for (const ValueId id : s.outputs) {
    if (id != kNoValue) values_[static_cast<std::size_t>(id)] = shows ? format : kReal;
  }
}

bool Chain::rounds(StepId step) const {
  return !steps_.empty() && steps_[step.index()] != kReal && placement_.role(step).rounds;
}

}  // namespace qsweep
