#pragma once

#include <set>
#include <string>

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Names that no value or node of a graph has, nor one given out before.
class FreshNames {
 public:
  explicit FreshNames(const Graph& graph) {
    for (const Value& value : graph.values) taken_.insert(value.name);
    for (const Node& node : graph.nodes) taken_.insert(node.name);
  }

  /// `wanted`, or `wanted#2`, `wanted#3`, ...
  [[nodiscard]] std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int n = 2; !taken_.insert(name).second; ++n) name = wanted + "#" + std::to_string(n);
    return name;
  }

 private:
  std::set<std::string> taken_;
};

}  // namespace qsweep::detail
