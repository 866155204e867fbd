#include "src/graph/detail/edit.h"

#include <utility>

namespace qsweep::detail {

Uses::Uses(const Graph& graph)
    : producer(graph.values.size()),
      readers(graph.values.size()),
      is_output(graph.values.size(), false) {
  for (const NodeId node : ids<NodeId>(graph.nodes.size())) {
    for (const ValueId id : graph.node(node).inputs) {
      if (id != kNoValue) readers.at(static_cast<std::size_t>(id)).push_back(node);
    }
    for (const ValueId id : graph.node(node).outputs) {
      if (id != kNoValue) producer.at(static_cast<std::size_t>(id)) = node;
    }
  }
  for (const ValueId id : graph.outputs) is_output.at(static_cast<std::size_t>(id)) = true;
}

bool Uses::read_once(ValueId id) const {
  const auto v = static_cast<std::size_t>(id);
  return readers.at(v).size() == 1 && !is_output.at(v);
}

NodeId Uses::producer_of(ValueId id) const {
  return id == kNoValue ? NodeId() : producer.at(static_cast<std::size_t>(id));
}

ValueId add_constant(Graph& graph, const std::string& name, Tensor tensor) {
  Value value;
  value.name = name;
  for (int i = 2; graph.find_value(value.name); ++i) value.name = name + "#" + std::to_string(i);
  value.dtype = tensor.dtype();
  value.shape = tensor.shape();
  value.constant = std::move(tensor);
  graph.values.push_back(std::move(value));
  return static_cast<ValueId>(graph.values.size() - 1);
}

void make_constant(Graph& graph, ValueId id, const Tensor& tensor) {
  Value& value = graph.value(id);
  value.constant = tensor.to_layout(Layout::row_major);
  value.dtype = tensor.dtype();
  value.shape = tensor.shape();
}

void replace_constant(Graph& graph,
                      const Uses& uses,
                      NodeId node,
                      std::size_t operand,
                      const std::string& role,
                      Tensor tensor) {
  Node& target = graph.node(node);
  while (target.inputs.size() <= operand) target.inputs.push_back(kNoValue);
  const ValueId old = target.inputs[operand];
  // Values added since the snapshot were made for one node: nobody else reads them.
  const bool own = old != kNoValue &&
                   (static_cast<std::size_t>(old) >= uses.readers.size() || uses.read_once(old));
  if (own) {
    make_constant(graph, old, tensor);
  } else {
    target.inputs[operand] = add_constant(graph, target.name + "." + role, std::move(tensor));
  }
}

void erase_nodes(Graph& graph, const std::vector<bool>& dead) {
  std::vector<Node> kept;
  kept.reserve(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!dead.at(n)) kept.push_back(std::move(graph.nodes[n]));
  }
  graph.nodes = std::move(kept);
}

}  // namespace qsweep::detail
