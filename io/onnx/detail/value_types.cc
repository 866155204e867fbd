#include "io/onnx/detail/value_types.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

template <std::size_t n>
bool is_among(std::string_view op, const std::array<std::string_view, n>& ops) {
  return std::ranges::find(ops, op) != ops.end();
}

constexpr std::array<std::string_view, 6> kGiveIndices = {"Shape",  "Size",   "NonZero",
                                                          "ArgMax", "ArgMin", "NonMaxSuppression"};
constexpr std::array<std::string_view, 11> kGiveTruth = {
    "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or",
    "Xor",   "Not",     "IsNaN",          "IsInf"};

DType named_type(const Node& node, const char* attribute, DType otherwise) {
  const auto code = node.attributes.i(attribute, 0);
  return code == 0 ? otherwise : dtype_of(static_cast<OnnxType>(code)).value_or(otherwise);
}

/// The type of output `i`.
DType type_of_output(const Graph& graph, const Node& node, std::size_t i, DType declared) {
  const std::string& op = node.op;
  const auto operand = [&](std::size_t n) {
    const bool given = n < node.inputs.size() && node.inputs[n] != kNoValue;
    return given ? graph.value(node.inputs[n]).dtype : declared;
  };
  if (is_among(op, kGiveIndices)) return DType::i64;
  if (is_among(op, kGiveTruth)) return DType::boolean;
  if (op == "Cast") return named_type(node, "to", declared);
  if (op == "EyeLike") return named_type(node, "dtype", operand(0));
  if (op == "CastLike" || op == "Where" || op == "DequantizeLinear") return operand(1);
  if (op == "OneHot") return operand(2);
  if (op == "ConstantOfShape") {
    const Tensor* value = node.attributes.tensor("value");
    return value != nullptr ? value->dtype() : DType::f32;
  }
  if (op == "QuantizeLinear") {
    const bool has_zero_point = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
    return has_zero_point ? operand(2) : named_type(node, "output_dtype", DType::u8);
  }
  if (op == "DynamicQuantizeLinear") return i == 1 ? DType::f32 : DType::u8;
  if (op == "ConvInteger" || op == "MatMulInteger") return DType::i32;
  if ((op == "TopK" || op == "MaxPool") && i == 1) return DType::i64;
  if (op == "Dropout" && i == 1) return DType::boolean;
  return operand(0);
}

}  // namespace

void infer_types(Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (!node.domain.empty()) continue;
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      DType& dtype = graph.value(node.outputs[i]).dtype;
      dtype = type_of_output(graph, node, i, dtype);
    }
  }
}

}  // namespace qsweep::detail
