#include "io/onnx/detail/half.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/quant/float_codes.h"

#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

constexpr float kLargestHalf = 65504.0f;

/// Operators whose float operands or results ONNX has in FP32 only, wherever they stand.
constexpr std::array<std::string_view, 6> kFloatOnly = {"QuantizeLinear",        "DequantizeLinear",
                                                        "DynamicQuantizeLinear", "QLinearConv",
                                                        "QLinearMatMul",         "Range"};

bool takes_float(const Node& node, std::size_t operand) {
  if (node.op == "Resize") return operand == 2;
  if (node.op == "Upsample") return operand == 1;
  return node.op == "NonMaxSuppression" && operand != 2;
}

Tensor rounded_to_half(const Tensor& tensor) {
  const Tensor rows = tensor.to_layout(Layout::row_major);
  Tensor out(DType::f16, rows.shape());
  const auto round = [](float value) {
    if (std::isfinite(value)) value = std::clamp(value, -kLargestHalf, kLargestHalf);
    return float_to_half(value);
  };
  std::ranges::transform(rows.data<float>(), out.mutable_data<std::uint16_t>().begin(), round);
  return out;
}

void refuse_float_only(const Graph& graph) {
  std::vector<std::string> refused;
  for (const Node& node : graph.nodes) {
    if (std::ranges::find(kFloatOnly, node.op) != kFloatOnly.end())
      refused.push_back(node.op + " (node '" + node.name + "')");
  }
  if (refused.empty()) return;
  throw Error(ErrorCode::unsupported, "no FP16 form of: " + join(refused, ", "), graph.name,
              "Export with --format qdq");
}

/// Casts to FP32 and constants made by nodes become FP16 too.
void rewrite_attributes(Node& node) {
  if (node.op == "Cast" &&
      node.attributes.i("to", 0) == static_cast<std::int64_t>(OnnxType::float32))
    node.attributes.set("to", static_cast<std::int64_t>(OnnxType::float16));
  if (node.op != "ConstantOfShape") return;
  const Tensor* value = node.attributes.tensor("value");
  if (value != nullptr && value->dtype() != DType::f32) return;
  Tensor zero(DType::f32, {1});
  zero.mutable_data<float>()[0] = 0.0f;
  node.attributes.set("value", rounded_to_half(value != nullptr ? *value : zero));
}

class Halver {
 public:
  explicit Halver(Graph& graph) : graph_(graph) {
    for (const Value& value : graph.values) names_.insert(value.name);
    for (const Node& node : graph.nodes) names_.insert(node.name);
  }

  void run() {
    const std::size_t values = graph_.values.size();
    std::vector<Node> nodes;
    for (Node& node : graph_.nodes) {
      rewrite_attributes(node);
      keep_float_operands(node, nodes);
      nodes.push_back(std::move(node));
    }
    for (std::size_t i = 0; i < values; ++i) {  // not the copies that stay FP32
      Value& value = graph_.values[i];
      if (value.dtype != DType::f32) continue;
      value.dtype = DType::f16;
      if (value.constant) value.constant = rounded_to_half(*value.constant);
    }
    graph_.nodes.clear();
    for (ValueId& id : graph_.inputs) {
      if (graph_.value(id).dtype != DType::f16) continue;
      const ValueId outer = split(id);
      graph_.nodes.push_back(cast(outer, id, DType::f16));
      id = outer;
    }
    std::ranges::move(nodes, std::back_inserter(graph_.nodes));
    for (ValueId& id : graph_.outputs) {
      if (graph_.value(id).dtype != DType::f16) continue;
      const ValueId outer = split(id);
      graph_.nodes.push_back(cast(id, outer, DType::f32));
      id = outer;
    }
  }

 private:
  /// FP32-only operands: a constant of the node's own, or a Cast back before it.
  void keep_float_operands(Node& node, std::vector<Node>& nodes) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNoValue || !takes_float(node, i) || graph_.value(id).dtype != DType::f32) continue;
      Value kept = graph_.value(id);
      kept.name = unique(kept.name + "_float32");
      const ValueId own = add(std::move(kept));
      if (!graph_.is_constant(id)) nodes.push_back(cast(id, own, DType::f32));
      node.inputs[i] = own;
    }
  }

  /// Gives the FP16 value a name of its own; the FP32 one outside takes over the old name.
  ValueId split(ValueId id) {
    Value outer = graph_.value(id);
    outer.dtype = DType::f32;
    outer.constant.reset();
    graph_.value(id).name = unique(outer.name + "_float16");
    return add(std::move(outer));
  }

  Node cast(ValueId from, ValueId to, DType dtype) {
    Node node;
    node.name = unique(graph_.value(to).name + "_Cast");
    node.op = "Cast";
    node.attributes.set("to", static_cast<std::int64_t>(onnx_type_of(dtype)));
    node.inputs = {from};
    node.outputs = {to};
    return node;
  }

  ValueId add(Value value) {
    graph_.values.push_back(std::move(value));
    return static_cast<ValueId>(graph_.values.size() - 1);
  }

  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int n = 2; !names_.insert(name).second; ++n) name = wanted + "#" + std::to_string(n);
    return name;
  }

  Graph& graph_;
  std::set<std::string> names_;
};

}  // namespace

void to_half(Graph& graph) {
  refuse_float_only(graph);
  Halver(graph).run();
}

}  // namespace qsweep::detail
