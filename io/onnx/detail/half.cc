#include "io/onnx/detail/half.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/quant/float_codes.h"

#include "io/onnx/detail/fresh_names.h"
#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

constexpr float kLargestHalf = 65504.0f;
constexpr float kSmallestHalf = 0x1p-24f;  // above 0

/// Models that are quantized already keep the scales they were calibrated with.
constexpr std::array<std::string_view, 5> kQuantized = {
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"};

/// Operands and results that ONNX has in FP32 and not in FP16, by place, until the opset that
/// admits them. Source: type constraints of the schemas, opset 9 to 21; tests/e2e/export_half.py
/// holds the list against those of the `onnx` package.
struct FloatPlaces {
  std::string_view op;
  int until;  ///< the first opset with an FP16 form
  std::initializer_list<std::size_t> operands, results;
};
constexpr int kNever = std::numeric_limits<int>::max();
constexpr FloatPlaces kFloatPlaces[] = {
    {"Celu", kNever, {0}, {0}},
    {"CumSum", 14, {0}, {0}},
    {"IsInf", 20, {0}, {}},
    {"LayerNormalization", kNever, {}, {1, 2}},
    {"NonMaxSuppression", kNever, {0, 1, 3, 4}, {}},
    {"Range", kNever, {0, 1, 2}, {0}},
    {"Resize", 11, {1}, {}},
    {"Resize", kNever, {2}, {}},
    {"Upsample", kNever, {1}, {}},
};

/// The same for FP16 forms that ONNX has and ONNX Runtime 1.32 has not (its CPU provider).
constexpr FloatPlaces kRuntimePlaces[] = {
    {"MeanVarianceNormalization", kNever, {0}, {0}},
    {"ScatterElements", kNever, {0, 2}, {0}},  // that reduce
    {"ScatterND", kNever, {0, 2}, {0}},        // that reduce
};

const FloatPlaces* float_places(const Node& node, int opset) {
  if (!node.domain.empty()) return nullptr;
  const auto is_of_node = [&](const FloatPlaces& row) {
    return row.op == node.op && opset < row.until;
  };
  const auto* of_onnx = std::ranges::find_if(kFloatPlaces, is_of_node);
  if (of_onnx != std::end(kFloatPlaces)) return of_onnx;
  const bool is_plain_scatter =
      node.op.starts_with("Scatter") && node.attributes.s("reduction", "none") == "none";
  const auto* of_runtime = std::ranges::find_if(kRuntimePlaces, is_of_node);
  return of_runtime == std::end(kRuntimePlaces) || is_plain_scatter ? nullptr : of_runtime;
}

/// A single number keeps its sign: it may be what a divisor must not fall below.
Tensor rounded_to_half(const Tensor& tensor) {
  const Tensor rows = tensor.to_layout(Layout::row_major);
  Tensor out(DType::f16, rows.shape());
  const bool is_number = rows.size() == 1;
  const auto round = [&](float value) {
    if (std::isfinite(value)) value = std::clamp(value, -kLargestHalf, kLargestHalf);
    if (is_number && value != 0.0f)
      value = std::copysign(std::max(std::fabs(value), kSmallestHalf), value);
    return float_to_half(value);
  };
  std::ranges::transform(rows.data<float>(), out.mutable_data<std::uint16_t>().begin(), round);
  return out;
}

void refuse_quantized(const Graph& graph) {
  std::vector<std::string> refused;
  for (const Node& node : graph.nodes) {
    if (std::ranges::find(kQuantized, node.op) != kQuantized.end())
      refused.push_back(node.op + " (node '" + node.name + "')");
  }
  if (refused.empty()) return;
  throw Error(ErrorCode::unsupported, "no FP16 form of: " + join(refused, ", "), graph.name,
              "Export with --format qdq");
}

/// Casts to FP32 and constants made by nodes become FP16 too.
void rewrite_attributes(Node& node) {
  const char* type = node.op == "Cast" ? "to" : "dtype";
  if ((node.op == "Cast" || node.op == "EyeLike") &&
      node.attributes.i(type, 0) == static_cast<std::int64_t>(OnnxType::float32))
    node.attributes.set(type, static_cast<std::int64_t>(OnnxType::float16));
  if (node.op != "ConstantOfShape") return;
  const Tensor* value = node.attributes.tensor("value");
  if (value != nullptr && value->dtype() != DType::f32) return;
  Tensor zero(DType::f32, {1});
  zero.mutable_data<float>()[0] = 0.0f;
  node.attributes.set("value", rounded_to_half(value != nullptr ? *value : zero));
}

class Halver {
 public:
  explicit Halver(Graph& graph) : graph_(graph), names_(graph) {}

  void run() {
    const std::size_t values = graph_.values.size();
    std::vector<Node> nodes;
    for (Node& node : graph_.nodes) {
      rewrite_attributes(node);
      const FloatPlaces* places = float_places(node, graph_.opset);
      std::vector<Node> casts_back;
      if (places != nullptr) {
        for (const std::size_t i : places->operands) keep_float_operand(node, i, nodes);
        for (const std::size_t i : places->results) keep_float_result(node, i, casts_back);
      }
      nodes.push_back(std::move(node));
      std::ranges::move(casts_back, std::back_inserter(nodes));
    }
    for (std::size_t i = 0; i < values; ++i) {  // not the copies that stay FP32
      Value& value = graph_.values[i];
      if (value.dtype != DType::f32) continue;
      value.dtype = DType::f16;
      if (value.constant) value.constant = rounded_to_half(*value.constant);
    }
    graph_.nodes = std::move(nodes);
  }

 private:
  /// A constant of the node's own, or a Cast back before it.
  void keep_float_operand(Node& node, std::size_t i, std::vector<Node>& nodes) {
    const ValueId id = i < node.inputs.size() ? node.inputs[i] : kNoValue;
    if (id == kNoValue || graph_.value(id).dtype != DType::f32) return;
    node.inputs[i] = float_copy(id);
    if (!graph_.is_constant(id)) nodes.push_back(cast(id, node.inputs[i], DType::f32));
  }

  void keep_float_result(Node& node, std::size_t i, std::vector<Node>& casts) {
    const ValueId id = i < node.outputs.size() ? node.outputs[i] : kNoValue;
    if (id == kNoValue || graph_.value(id).dtype != DType::f32) return;
    node.outputs[i] = float_copy(id);
    casts.push_back(cast(node.outputs[i], id, DType::f16));
  }

  ValueId float_copy(ValueId id) {
    Value kept = graph_.value(id);
    kept.name = names_.unique(kept.name + "_float32");
    return add(std::move(kept));
  }

  Node cast(ValueId from, ValueId to, DType dtype) {
    Node node;
    node.name = names_.unique(graph_.value(to).name + "_Cast");
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

  Graph& graph_;
  FreshNames names_;
};

}  // namespace

void to_half(Graph& graph) {
  refuse_quantized(graph);
  Halver(graph).run();
}

}  // namespace qsweep::detail
