#include "src/graph/graph.h"

#include <algorithm>
#include <set>

namespace qsweep {

NodeId Graph::producer(ValueId id) const {
  if (id == kNoValue) return {};
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (std::ranges::find(nodes[n].outputs, id) != nodes[n].outputs.end()) {
      return NodeId(n);
    }
  }
  return {};
}

std::vector<NodeId> Graph::consumers(ValueId id) const {
  std::vector<NodeId> result;
  if (id == kNoValue) return result;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (std::ranges::find(nodes[n].inputs, id) != nodes[n].inputs.end()) {
      result.emplace_back(n);
    }
  }
  return result;
}

std::optional<ValueId> Graph::find_value(std::string_view value_name) const {
  const auto it = std::ranges::find(values, value_name, &Value::name);
  if (it == values.end()) return std::nullopt;
  return static_cast<ValueId>(it - values.begin());
}

namespace {

/// Which values have been defined so far while a graph is read in order.
class Definitions {
 public:
  explicit Definitions(const Graph& graph) : graph_(graph), defined_(graph.values.size()) {
    for (std::size_t v = 0; v < defined_.size(); ++v) {
      defined_[v] = graph.values[v].constant.has_value();
    }
  }

  void define(ValueId id, const std::string& by) {
    require_known(id, by);
    if (defined_[static_cast<std::size_t>(id)]) {
      throw Error(ErrorCode::internal, "value '" + graph_.value(id).name + "' is defined twice",
                  by);
    }
    defined_[static_cast<std::size_t>(id)] = true;
  }

  void require(ValueId id, const std::string& by) const {
    require_known(id, by);
    if (!defined_[static_cast<std::size_t>(id)]) {
      throw Error(ErrorCode::internal,
                  "value '" + graph_.value(id).name + "' is read before it is produced", by);
    }
  }

 private:
  void require_known(ValueId id, const std::string& by) const {
    if (id < 0 || static_cast<std::size_t>(id) >= defined_.size()) {
      throw Error(ErrorCode::internal, "value id " + std::to_string(id) + " does not exist", by);
    }
  }

  const Graph& graph_;
  std::vector<bool> defined_;
};

}  // namespace

void check(const Graph& graph) {
  Definitions definitions(graph);
  for (const ValueId id : graph.inputs) definitions.define(id, "inputs of the graph");
  std::set<std::string_view> names;
  for (const Node& node : graph.nodes) {
    const std::string where = "node '" + node.name + "'";
    if (node.name.empty() || !names.insert(node.name).second) {
      throw Error(ErrorCode::internal, "node name is empty or not unique", where);
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) definitions.require(id, where);
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) definitions.define(id, where);
    }
  }
  for (const ValueId id : graph.outputs) definitions.require(id, "outputs of the graph");
}

}  // namespace qsweep
