#include "src/graph/detail/edit.h"
#include "src/graph/passes.h"

namespace qsweep {
namespace {

void renumber(std::vector<ValueId>& ids, const std::vector<ValueId>& new_ids) {
  for (ValueId& id : ids) {
    if (id != kNoValue) id = new_ids.at(static_cast<std::size_t>(id));
  }
}

/// Drops values that neither a node nor the graph's interface mentions; ids stay dense.
void compact_values(Graph& graph) {
  std::vector<bool> used(graph.values.size());
  const auto mark = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids) {
      if (id != kNoValue) used.at(static_cast<std::size_t>(id)) = true;
    }
  };
  mark(graph.inputs);
  mark(graph.outputs);
  for (const Node& node : graph.nodes) {
    mark(node.inputs);
    mark(node.outputs);
  }

  std::vector<ValueId> new_ids(graph.values.size(), kNoValue);
  std::vector<Value> kept;
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    if (!used[v]) continue;
    new_ids[v] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(graph.values[v]));
  }
  graph.values = std::move(kept);
  renumber(graph.inputs, new_ids);
  renumber(graph.outputs, new_ids);
  for (Node& node : graph.nodes) {
    renumber(node.inputs, new_ids);
    renumber(node.outputs, new_ids);
  }
}

}  // namespace

void remove_dead(Graph& graph) {
  std::vector<bool> needed(graph.values.size());
  for (const ValueId id : graph.outputs) needed.at(static_cast<std::size_t>(id)) = true;
  std::vector<bool> dead(graph.nodes.size(), true);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    for (const ValueId id : node.outputs) {
      if (id != kNoValue && needed.at(static_cast<std::size_t>(id))) dead[n] = false;
    }
    if (dead[n]) continue;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) needed.at(static_cast<std::size_t>(id)) = true;
    }
  }
  detail::erase_nodes(graph, dead);
  compact_values(graph);
}

}  // namespace qsweep
