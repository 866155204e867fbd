#include <algorithm>
#include <array>
#include <string_view>

#include "src/graph/detail/edit.h"
#include "src/graph/passes.h"

namespace qsweep {
namespace {

constexpr std::string_view kMicrosoft = "com.microsoft";
constexpr std::int64_t kInt32Type = 6;  ///< TensorProto.INT32

/// An operator on codes whose operands are (x, x_scale, x_zero_point)... then y_scale,
/// y_zero_point.
struct Elementwise {
  std::string_view op;        ///< as in the file
  std::string_view domain;    ///< of `op`
  std::string_view float_op;  ///< what it computes on real values
  std::size_t operands;
};
constexpr std::array kElementwise = {
    Elementwise{"QLinearAdd", kMicrosoft, "Add", 2},
    Elementwise{"QLinearMul", kMicrosoft, "Mul", 2},
    Elementwise{"QLinearSigmoid", kMicrosoft, "Sigmoid", 1},
    Elementwise{"QLinearLeakyRelu", kMicrosoft, "LeakyRelu", 1},
    Elementwise{"QLinearSoftmax", kMicrosoft, "Softmax", 1},
    Elementwise{"QLinearAveragePool", kMicrosoft, "AveragePool", 1},
    Elementwise{"QLinearGlobalAveragePool", kMicrosoft, "GlobalAveragePool", 1},
};

class Expander {
 public:
  explicit Expander(Graph& graph) : graph_(graph) {}

  int run() {
    const std::vector<Node> nodes = std::move(graph_.nodes);
    for (const Node& node : nodes) {
      if (expand(node))
        ++expanded_;
      else
        made_.push_back(node);
    }
    graph_.nodes = std::move(made_);
    return expanded_;
  }

 private:
  bool expand(const Node& node) {
    if (node.domain.empty()) {
      if (node.op == "QLinearConv") return linear_conv(node);
      if (node.op == "QLinearMatMul") return linear_matmul(node);
      if (node.op == "ConvInteger") return integer_product(node, "Conv", 0);
      if (node.op == "MatMulInteger") return integer_product(node, "MatMul", -1);
    }
    if (node.domain == kMicrosoft && node.op == "QGemm") return gemm(node);
    if (node.domain == kMicrosoft && node.op == "QLinearConcat") return concat(node);
    for (const Elementwise& e : kElementwise) {
      if (node.op == e.op && node.domain == e.domain) return elementwise(node, e);
    }
    return false;
  }

  /// (x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero[, bias])
  bool linear_conv(const Node& node) {
    if (node.inputs.size() < 8) return false;
    const ValueId bias = node.inputs.size() > 8 ? node.inputs[8] : kNoValue;
    std::vector<ValueId> operands = {real(node, 0, "x"), real(node, 3, "w", 0)};
    if (bias != kNoValue) {
      const ValueId scale = product(node, node.inputs[1], node.inputs[4], 1.0f);
      if (scale == kNoValue) return abandon(2);
      operands.push_back(dequantized(node, bias, scale, kNoValue, "b", 0));
    }
    quantized(node, "Conv", node.attributes, std::move(operands), 6);
    return true;
  }

  /// (a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero); scales of a by row, of b by column
  bool linear_matmul(const Node& node) {
    if (node.inputs.size() < 8) return false;
    quantized(node, "MatMul", {}, {real(node, 0, "a", -2), real(node, 3, "b", -1)}, 6);
    return true;
  }

  /// (A, a_scale, a_zero, B, b_scale, b_zero[, C, y_scale, y_zero]); the scale of C is
  /// alpha * a_scale * b_scale; without y_scale the result stays real.
  bool gemm(const Node& node) {
    if (node.inputs.size() < 6) return false;
    const bool transposed = node.attributes.i("transB", 0) != 0;
    std::vector<ValueId> operands = {real(node, 0, "a"), real(node, 3, "b", transposed ? 0 : 1)};
    if (node.inputs.size() > 6 && node.inputs[6] != kNoValue) {
      const ValueId scale =
          product(node, node.inputs[1], node.inputs[4], node.attributes.f("alpha", 1.0f));
      if (scale == kNoValue) return abandon(2);
      operands.push_back(dequantized(node, node.inputs[6], scale, kNoValue, "c", 0));
    }
    if (node.inputs.size() > 7 && node.inputs[7] != kNoValue) {
      quantized(node, "Gemm", node.attributes, std::move(operands), 7);
    } else {
      add(node.name, node, "Gemm", node.attributes, std::move(operands), node.outputs);
    }
    return true;
  }

  bool elementwise(const Node& node, const Elementwise& e) {
    if (node.inputs.size() < 3 * e.operands + 1 || node.attributes.i("channels_last", 0) != 0)
      return false;
    std::vector<ValueId> operands = {real(node, 0, "a")};
    if (e.operands == 2) operands.push_back(real(node, 3, "b"));
    Attributes attributes = node.attributes;
    for (const char* own : {"channels_last", "opset"}) attributes.erase(own);
    quantized(node, e.float_op, attributes, std::move(operands), 3 * e.operands);
    return true;
  }

  /// (y_scale, y_zero, (x, x_scale, x_zero)...)
  bool concat(const Node& node) {
    if (node.inputs.size() < 5 || (node.inputs.size() - 2) % 3 != 0) return false;
    std::vector<ValueId> operands;
    for (std::size_t i = 2; i < node.inputs.size(); i += 3)
      operands.push_back(real(node, i, "x" + std::to_string((i - 2) / 3)));
    quantized(node, "Concat", node.attributes, std::move(operands), 0);
    return true;
  }

  /// (x, w[, x_zero, w_zero]) -> int32: the same product of codes at scale 1.
  bool integer_product(const Node& node, std::string_view op, std::int64_t weight_axis) {
    const auto zero_of = [&](std::size_t i) {
      return i < node.inputs.size() ? node.inputs[i] : kNoValue;
    };
    const ValueId x_zero = zero_of(2), w_zero = zero_of(3);
    // That of a DynamicQuantizeLinear is one for the tensor; others may be one for each row.
    if (x_zero != kNoValue && !is_dynamic(x_zero) &&
        (!graph_.is_constant(x_zero) || graph_.value(x_zero).constant->size() != 1))
      return false;
    if (w_zero != kNoValue && !graph_.is_constant(w_zero)) return false;
    const Shape per_channel = w_zero == kNoValue ? Shape{} : graph_.value(w_zero).constant->shape();
    const ValueId x = dequantized(node, node.inputs[0], ones(node, {}), x_zero, "x", 0);
    const ValueId w =
        dequantized(node, node.inputs[1], ones(node, per_channel), w_zero, "w", weight_axis);
    const ValueId y = new_value(node.name + ".y");
    add(node.name, node, op, node.attributes, {x, w}, {y});
    Attributes to_int32;
    to_int32.set("to", kInt32Type);
    add(node.name + ".cast", node, "Cast", to_int32, {y}, node.outputs);
    return true;
  }

  /// A scale of 1 for each zero point.
  ValueId ones(const Node& node, const Shape& shape) {
    const std::vector<float> values(static_cast<std::size_t>(element_count(shape)), 1.0f);
    return detail::add_constant(graph_, node.name + ".one",
                                Tensor::of<float>(DType::f32, shape, values));
  }

  [[nodiscard]] bool is_dynamic(ValueId id) const {
    return std::ranges::any_of(made_, [&](const Node& node) {
      return node.op == "DynamicQuantizeLinear" &&
             std::ranges::find(node.outputs, id) != node.outputs.end();
    });
  }

  /// The real value of operand `at`, followed by its scale and zero point.
  ValueId real(const Node& node, std::size_t at, const std::string& role, std::int64_t axis = 1) {
    return dequantized(node, node.inputs[at], node.inputs[at + 1], node.inputs[at + 2], role, axis);
  }

  ValueId dequantized(const Node& node,
                      ValueId codes,
                      ValueId scale,
                      ValueId zero,
                      const std::string& role,
                      std::int64_t axis) {
    const ValueId out = new_value(node.name + "." + role);
    Attributes attributes;
    attributes.set("axis", axis);
    std::vector<ValueId> inputs = {codes, scale};
    if (zero != kNoValue) inputs.push_back(zero);
    add(node.name + "." + role + ".dequantize", node, "DequantizeLinear", attributes,
        std::move(inputs), {out});
    return out;
  }

  /// op, then the quantizer whose scale is operand `scale`.
  void quantized(const Node& node,
                 std::string_view op,
                 const Attributes& attributes,
                 std::vector<ValueId> operands,
                 std::size_t scale) {
    const ValueId y = new_value(real_name(node));
    add(node.name, node, op, attributes, std::move(operands), {y});
    std::vector<ValueId> inputs = {y, node.inputs[scale]};
    if (scale + 1 < node.inputs.size() && node.inputs[scale + 1] != kNoValue)
      inputs.push_back(node.inputs[scale + 1]);
    add(node.name + ".quantize", node, "QuantizeLinear", {}, std::move(inputs), node.outputs);
  }

  void add(std::string name,
           const Node& source,
           std::string_view op,
           const Attributes& attributes,
           std::vector<ValueId> inputs,
           std::vector<ValueId> outputs) {
    made_.push_back({.name = std::move(name),
                     .source_name = source.source_name,
                     .op = std::string(op),
                     .domain = {},
                     .attributes = attributes,
                     .inputs = std::move(inputs),
                     .outputs = std::move(outputs)});
  }

  /// Takes back the nodes made for an operator that turned out to have no real form.
  bool abandon(std::size_t nodes) {
    made_.resize(made_.size() - nodes);
    return false;
  }

  /// What the result of a node is called before it becomes codes. ONNX Runtime's quantizer calls
  /// the codes of `x` `x_quantized`; its name for their input is read as `x` (find_qdq_pairs()).
  [[nodiscard]] std::string real_name(const Node& node) const {
    constexpr std::string_view kCodes = "_quantized";
    const ValueId id = node.outputs.empty() ? kNoValue : node.outputs[0];
    if (id == kNoValue || !graph_.value(id).name.ends_with(kCodes)) return node.name + ".y";
    const std::string& codes = graph_.value(id).name;
    return codes.substr(0, codes.size() - kCodes.size()) + "_QuantizeLinear_Input";
  }

  ValueId new_value(const std::string& name) {
    Value value;
    value.name = name;
    for (int i = 2; graph_.find_value(value.name); ++i) value.name = name + "#" + std::to_string(i);
    graph_.values.push_back(std::move(value));
    return static_cast<ValueId>(graph_.values.size() - 1);
  }

  /// factor * left * right of constant scales (one of left, one or many of right), rounded as
  /// float32 products; kNoValue when they are no constants.
  ValueId product(const Node& node, ValueId left, ValueId right, float factor) {
    if (!graph_.is_constant(left) || !graph_.is_constant(right)) return kNoValue;
    const Tensor& a = *graph_.value(left).constant;
    const Tensor& b = *graph_.value(right).constant;
    if (a.dtype() != DType::f32 || b.dtype() != DType::f32 || a.size() != 1) return kNoValue;
    std::vector<float> scales;
    for (const float s : b.data<float>()) scales.push_back(factor * a.data<float>()[0] * s);
    return detail::add_constant(graph_, node.name + ".bias_scale",
                                Tensor::of<float>(DType::f32, b.shape(), scales));
  }

  Graph& graph_;
  std::vector<Node> made_;
  int expanded_ = 0;
};

}  // namespace

int expand_qoperators(Graph& graph) {
  return Expander(graph).run();
}

}  // namespace qsweep
