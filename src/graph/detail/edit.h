#pragma once

#include <string>
#include <vector>

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Who makes and who reads each value, by ValueId. A snapshot: a pass that rewires the graph keeps
/// the entries it relies on up to date itself.
struct Uses {
  explicit Uses(const Graph& graph);

  std::vector<NodeId> producer;              ///< none for inputs and constants
  std::vector<std::vector<NodeId>> readers;  ///< in order; a node appears once per operand
  std::vector<bool> is_output;               ///< of the graph

  /// True when one operand of one node reads the value and it is not an output of the graph.
  [[nodiscard]] bool read_once(ValueId id) const;
  [[nodiscard]] NodeId producer_of(ValueId id) const;  ///< none also for kNoValue
};

/// A new constant called `name`, or `name#2`, ... when a value has that name already.
ValueId add_constant(Graph& graph, const std::string& name, Tensor tensor);

/// Turns a value that a node produced into a constant (the caller drops the node).
void make_constant(Graph& graph, ValueId id, const Tensor& tensor);

/// Gives operand `operand` of a node new elements. A constant that others read as well stays as it
/// is and the node gets its own, called `<node>.<role>`; an absent operand is added.
void replace_constant(Graph& graph,
                      const Uses& uses,
                      NodeId node,
                      std::size_t operand,
                      const std::string& role,
                      Tensor tensor);

/// Removes the nodes marked in `dead`.
void erase_nodes(Graph& graph, const std::vector<bool>& dead);

}  // namespace qsweep::detail
