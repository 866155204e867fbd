#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "src/graph/graph.h"

namespace qsweep::testing {

/// Writes small graphs down in a line per node; values are named by the nodes that mention them.
class GraphBuilder {
 public:
  GraphBuilder() { graph_.opset = 17; }

  GraphBuilder& input(const std::string& name, Shape shape, DType dtype = DType::f32) {
    Value& value = graph_.value(id(name));
    value.shape = std::move(shape);
    value.dtype = dtype;
    graph_.inputs.push_back(id(name));
    return *this;
  }
  GraphBuilder& constant(const std::string& name, Shape shape, const std::vector<float>& elements) {
    return constant(name, Tensor::of<float>(DType::f32, std::move(shape), elements));
  }
  GraphBuilder& constant(const std::string& name, Tensor tensor) {
    Value& value = graph_.value(id(name));
    value.dtype = tensor.dtype();
    value.shape = tensor.shape();
    value.constant = std::move(tensor);
    return *this;
  }
  /// Operands and results by name; an empty name is an absent one. The node is called after its
  /// first result.
  GraphBuilder& node(const std::string& op,
                     const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs,
                     Attributes attributes = {}) {
    Node node;
    node.name = node.source_name = "n_" + outputs.at(0);
    node.op = op;
    node.attributes = std::move(attributes);
    for (const auto& name : inputs) node.inputs.push_back(id(name));
    for (const auto& name : outputs) node.outputs.push_back(id(name));
    graph_.nodes.push_back(std::move(node));
    return *this;
  }
  GraphBuilder& output(const std::string& name) {
    graph_.outputs.push_back(id(name));
    return *this;
  }
  [[nodiscard]] Graph build() const {
    check(graph_);
    return graph_;
  }

 private:
  ValueId id(const std::string& name) {
    if (name.empty()) return kNoValue;
    if (const auto known = graph_.find_value(name)) return *known;
    graph_.values.emplace_back().name = name;
    return static_cast<ValueId>(graph_.values.size() - 1);
  }

  Graph graph_;
};

inline Attributes attributes(
    std::initializer_list<std::pair<std::string, Attributes::Value>> list) {
  Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

/// The elements of an f32 constant.
inline std::vector<float> floats_of(const Graph& graph, ValueId id) {
  const auto data = graph.value(id).constant.value().data<float>();
  return {data.begin(), data.end()};
}

inline std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op);
  return ops;
}

}  // namespace qsweep::testing
