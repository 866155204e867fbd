#include "src/graph/qdq.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "src/tensor/onnx_type.h"

#include "src/graph/detail/edit.h"

namespace qsweep {
namespace {

constexpr std::string_view kOutputSuffix = "_QuantizeLinear_Input";

bool is_op(const Node& node, std::string_view op) {
  return node.op == op && (node.domain.empty() || node.domain == "com.microsoft");
}

const Node* producer(const Graph& graph, const detail::Uses& uses, ValueId id) {
  const NodeId node = uses.producer_of(id);
  return node ? &graph.node(node) : nullptr;
}

std::string tensor_name(const std::string& name) {
  return name.ends_with(kOutputSuffix) ? name.substr(0, name.size() - kOutputSuffix.size()) : name;
}

/// Equal bytes of two constants, or one and the same value.
bool same_constant(const Graph& graph, ValueId a, ValueId b) {
  if (a == b) return true;
  if (!graph.is_constant(a) || !graph.is_constant(b)) return false;
  const Tensor& x = *graph.value(a).constant;
  const Tensor& y = *graph.value(b).constant;
  return x.dtype() == y.dtype() && x.shape() == y.shape() &&
         std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

ValueId operand(const Node& node, std::size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : kNoValue;
}

DType code_type(const Graph& graph, const detail::Uses& uses, const Node& dequantize) {
  for (const std::size_t i : {std::size_t{0}, std::size_t{2}}) {
    const ValueId id = operand(dequantize, i);
    if (graph.is_constant(id)) return graph.value(id).constant->dtype();
  }
  const Node* source = producer(graph, uses, dequantize.inputs[0]);
  if (source == nullptr || !is_op(*source, "QuantizeLinear")) return DType::u8;
  const ValueId zero = operand(*source, 2);
  if (graph.is_constant(zero)) return graph.value(zero).constant->dtype();
  return dtype_of_onnx(source->attributes.i("output_dtype", 0)).value_or(DType::u8);
}

/// The value that `id` has after nodes that move or convert elements.
ValueId before_moves(const Graph& graph, const detail::Uses& uses, ValueId id) {
  static constexpr std::string_view kMoves[] = {"Cast",    "Flatten",   "Identity", "Reshape",
                                                "Squeeze", "Transpose", "Unsqueeze"};
  while (const Node* source = producer(graph, uses, id)) {
    if (!source->domain.empty() || std::ranges::find(kMoves, source->op) == std::end(kMoves)) break;
    id = source->inputs[0];
  }
  return id;
}

QdqOperand describe(const Graph& graph, const detail::Uses& uses, ValueId id) {
  const Node* source = id == kNoValue ? nullptr : producer(graph, uses, id);
  if (!source || !is_op(*source, "DequantizeLinear")) return {};
  QdqOperand o{.quantized = true, .codes = code_type(graph, uses, *source)};
  const ValueId scale = operand(*source, 1);
  if (!graph.is_constant(scale)) return o;
  o.scales = graph.value(scale).constant->size();
  o.block_size = source->attributes.i("block_size", 0);
  if (o.scales > 1 || o.block_size > 0) o.axis = static_cast<int>(source->attributes.i("axis", 1));
  return o;
}

/// A layer's weight: a constant, or what is computed of constants alone.
bool is_weight(const Graph& graph, const detail::Uses& uses, ValueId id) {
  if (id == kNoValue || graph.is_constant(id)) return true;
  const Node* source = producer(graph, uses, id);
  return source != nullptr && std::ranges::all_of(source->inputs, [&](ValueId input) {
           return is_weight(graph, uses, input);
         });
}

/// The type of the constant that the elements of a weight come from.
DType stored_type(const Graph& graph, const detail::Uses& uses, ValueId id) {
  const Node* source = producer(graph, uses, id);
  while (source != nullptr && !source->inputs.empty()) {
    id = source->inputs[0];
    source = producer(graph, uses, id);
  }
  return graph.is_constant(id) ? graph.value(id).constant->dtype() : graph.value(id).dtype;
}

/// `float16` where a tensor is rounded to it on its way to a layer that computes in float32.
std::optional<DType> rounded_to(const Graph& graph, const detail::Uses& uses, ValueId id) {
  const Node* widen = producer(graph, uses, id);
  const Node* narrow =
      widen && is_op(*widen, "Cast") ? producer(graph, uses, widen->inputs[0]) : nullptr;
  if (narrow == nullptr || !is_op(*narrow, "Cast")) return std::nullopt;
  return dtype_of_onnx(narrow->attributes.i("to", 0));
}

std::string origin(const Graph& graph, const detail::Uses& uses, ValueId id) {
  const Node* source = producer(graph, uses, id);
  return source ? source->op + " '" + source->name + "'" : "input '" + graph.value(id).name + "'";
}

std::optional<QdqLayer> layer(const Graph& graph, const detail::Uses& uses, const Node& node) {
  static constexpr std::string_view kOps[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
  if (!node.domain.empty() || std::ranges::find(kOps, node.op) == std::end(kOps) ||
      node.inputs.size() < 2 || !is_weight(graph, uses, node.inputs[1]))
    return std::nullopt;
  QdqLayer l;
  l.name = node.name;
  l.op = node.op;
  l.input = describe(graph, uses, node.inputs[0]);
  l.weight = describe(graph, uses, before_moves(graph, uses, node.inputs[1]));
  l.stored = stored_type(graph, uses, node.inputs[1]);
  l.bias = describe(graph, uses, operand(node, 2));
  if (!l.weight.quantized) l.left_out = "its weight is " + std::string(name_of(l.stored));
  if (!l.input.quantized) {
    l.left_out += l.left_out.empty() ? "its input " : ", its input ";
    if (const auto type = rounded_to(graph, uses, node.inputs[0]))
      l.left_out += "is rounded to " + std::string(name_of(*type));
    else
      l.left_out += "comes from " + origin(graph, uses, node.inputs[0]) + " as it is";
  }
  return l;
}

std::vector<QdqPair> pairs_of(const Graph& graph, const detail::Uses& uses) {
  std::vector<QdqPair> pairs;
  for (const NodeId quantize : ids<NodeId>(graph.nodes.size())) {
    const Node& q = graph.node(quantize);
    if (!is_op(q, "QuantizeLinear") || graph.is_constant(q.inputs[0])) continue;
    // Several DequantizeLinear of one QuantizeLinear (one per reader) are one pair.
    for (const NodeId reader : uses.readers[static_cast<std::size_t>(q.outputs[0])]) {
      const Node& dq = graph.node(reader);
      if (!is_op(dq, "DequantizeLinear")) continue;
      pairs.push_back({.quantize = quantize,
                       .dequantize = reader,
                       .before = q.inputs[0],
                       .after = dq.outputs[0],
                       .tensor = tensor_name(graph.value(q.inputs[0]).name)});
      break;
    }
  }
  return pairs;
}

}  // namespace

bool QdqSummary::any() const {
  return quantize + dequantize > 0 || std::ranges::any_of(layers, [](const QdqLayer& layer) {
           return layer.stored == DType::f16 || layer.stored == DType::bf16;
         });
}

std::vector<QdqPair> find_qdq_pairs(const Graph& graph) {
  return pairs_of(graph, detail::Uses(graph));
}

QdqSummary summarize_qdq(const Graph& graph) {
  const detail::Uses uses(graph);
  QdqSummary summary;
  for (const Node& node : graph.nodes) {
    summary.quantize += is_op(node, "QuantizeLinear") ? 1 : 0;
    summary.dequantize += is_op(node, "DequantizeLinear") ? 1 : 0;
    if (auto found = layer(graph, uses, node)) summary.layers.push_back(std::move(*found));
  }
  summary.pairs = pairs_of(graph, uses);
  for (const QdqPair& pair : summary.pairs) {
    const Node& q = graph.node(pair.quantize);
    const Node* source = producer(graph, uses, pair.before);
    if (source && is_op(*source, "DequantizeLinear") &&
        same_constant(graph, operand(*source, 1), operand(q, 1)) &&
        same_constant(graph, operand(*source, 2), operand(q, 2)))
      summary.redundant.push_back(q.name);
  }
  return summary;
}

}  // namespace qsweep
