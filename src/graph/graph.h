#pragma once

#include <optional>
#include <string>
#include <vector>

#include "src/base/ids.h"

#include "src/tensor/attributes.h"
#include "src/tensor/tensor.h"

namespace qsweep {

using ValueId = std::int32_t;
constexpr ValueId kNoValue = -1;  ///< an optional operand that is absent

/// An edge of the model: produced by one node, or an input, or a constant.
struct Value {
  std::string name;
  DType dtype = DType::f32;
  /// Declared extents; -1 where symbolic. Absent when the file does not say.
  std::optional<Shape> shape;
  /// Its elements, for initializers and folded constants.
  std::optional<Tensor> constant;
};

struct Node {
  std::string name;         ///< unique in the graph, never empty (R011)
  std::string source_name;  ///< as in the file, may be empty or repeated
  std::string op;
  std::string domain;  ///< "" is ai.onnx
  Attributes attributes;
  std::vector<ValueId> inputs;   ///< kNoValue for absent optional operands
  std::vector<ValueId> outputs;  ///< kNoValue for unused ones
};

/// A model as a directed acyclic graph: nodes in topological order, values by id. Plain data with
/// look-ups; passes (graph/passes.h) take one and return another.
struct Graph {
  std::string name;
  int opset = 0;
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId>
      inputs;  ///< true inputs: initializers that are also listed as inputs are not here
  std::vector<ValueId> outputs;

  [[nodiscard]] const Value& value(ValueId id) const {
    return values.at(static_cast<std::size_t>(id));
  }
  [[nodiscard]] Value& value(ValueId id) { return values.at(static_cast<std::size_t>(id)); }
  [[nodiscard]] const Node& node(NodeId id) const { return nodes.at(id.index()); }
  [[nodiscard]] Node& node(NodeId id) { return nodes.at(id.index()); }
  [[nodiscard]] bool is_constant(ValueId id) const {
    return id != kNoValue && value(id).constant.has_value();
  }
  /// The node that produces a value, or none.
  [[nodiscard]] NodeId producer(ValueId id) const;
  /// Nodes that read a value, in order, each once.
  [[nodiscard]] std::vector<NodeId> consumers(ValueId id) const;
  [[nodiscard]] std::optional<ValueId> find_value(std::string_view name) const;
};

/// Throws Error(internal) unless ids are in range, values have one producer, nodes are in
/// topological order and node names are unique.
void check(const Graph& graph);

}  // namespace qsweep
