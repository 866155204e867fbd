#include "io/onnx/detail/port_types.h"

#include <iterator>
#include <vector>

#include "io/onnx/detail/fresh_names.h"
#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

class PortCaster {
 public:
  PortCaster(Graph& graph, const std::map<std::string, DType>& types)
      : graph_(graph), types_(types), names_(graph) {}

  void run() {
    std::vector<Node> nodes;
    for (ValueId& id : graph_.inputs) {
      if (!is_other(id)) continue;
      const ValueId outer = split(id);
      nodes.push_back(cast(outer, id));
      id = outer;
    }
    std::ranges::move(graph_.nodes, std::back_inserter(nodes));
    for (ValueId& id : graph_.outputs) {
      if (!is_other(id)) continue;
      const ValueId outer = split(id);
      nodes.push_back(cast(id, outer));
      id = outer;
    }
    graph_.nodes = std::move(nodes);
  }

 private:
  [[nodiscard]] bool is_other(ValueId id) const {
    const auto type = types_.find(graph_.value(id).name);
    return type != types_.end() && type->second != graph_.value(id).dtype;
  }

  /// Gives the value inside a name of its own; the one outside takes over the old name.
  ValueId split(ValueId id) {
    Value outer = graph_.value(id);
    Value& inner = graph_.value(id);
    inner.name = names_.unique(outer.name + "_" + std::string(qsweep::name_of(inner.dtype)));
    outer.dtype = types_.at(outer.name);
    outer.constant.reset();
    graph_.values.push_back(std::move(outer));
    return static_cast<ValueId>(graph_.values.size() - 1);
  }

  Node cast(ValueId from, ValueId to) {
    Node node;
    node.name = names_.unique(graph_.value(to).name + "_Cast");
    node.op = "Cast";
    node.attributes.set("to", static_cast<std::int64_t>(onnx_type_of(graph_.value(to).dtype)));
    node.inputs = {from};
    node.outputs = {to};
    return node;
  }

  Graph& graph_;
  const std::map<std::string, DType>& types_;
  FreshNames names_;
};

}  // namespace

void cast_ports(Graph& graph, const std::map<std::string, DType>& types) {
  PortCaster(graph, types).run();
}

}  // namespace qsweep::detail
