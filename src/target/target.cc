#include "src/target/target.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

bool is_any(const Precision&, std::string_view) {
  return true;
}

bool is_float(const Precision& p, std::string_view) {
  return !has_scale(p.weight) && !has_scale(p.activation);
}

bool is_float8(const Precision& p, std::string_view) {
  const auto eight = [](const Format& f) {
    return f.dtype == DType::f8e4m3fn || f.dtype == DType::f8e5m2;
  };
  return eight(p.weight) || eight(p.activation);
}

bool has_small_scales(const Precision& p, std::string_view) {
  return p.weight.scale != ScaleFormat::f32 || p.activation.scale != ScaleFormat::f32 ||
         p.weight.dtype == DType::f4e2m1;
}

bool is_eight_by_eight(const Precision& p) {
  const auto eight = [](const Format& f) { return f.dtype == DType::i8 || f.dtype == DType::u8; };
  return eight(p.weight) && eight(p.activation) && p.weight.granularity != Granularity::per_block &&
         p.activation.granularity == Granularity::per_tensor;
}

bool has_ort_integer_kernel(const Precision& p, std::string_view op) {
  return is_eight_by_eight(p) && (op == "Conv" || op == "Gemm" || op == "MatMul");
}

bool is_ort_block_matmul(const Precision& p, std::string_view op) {
  const bool four = p.weight.dtype == DType::i4 || p.weight.dtype == DType::u4;
  return four && p.weight.granularity == Granularity::per_block && !has_scale(p.activation) &&
         op == "MatMul";
}

bool picks_nearest(const Graph&, const Node& node) {
  return node.attributes.s("mode", "nearest") == "nearest";
}

/// 0 is exact in every scale.
bool pads_zeros(const Graph& graph, const Node& node) {
  if (node.attributes.s("mode", "constant") != "constant") return false;
  if (node.attributes.f("value", 0.0f) != 0.0f) return false;
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return true;
  if (!graph.is_constant(node.inputs[2])) return false;
  const Tensor& value = *graph.value(node.inputs[2]).constant;
  return value.dtype() == DType::f32 && value.size() == 1 && value.data<float>()[0] == 0.0f;
}

constexpr std::string_view kOrtSelectors =
    "ONNX Runtime, core/optimizer/qdq_transformer/selectors_actions";

// Data movement whose Q/DQ pairs ONNX Runtime drops, and operators that it turns into QLinear*.
constexpr std::array kOrtChain = {
    ChainRule{"Add", ChainRole::rescales},
    ChainRule{"Mul", ChainRole::rescales},
    ChainRule{"Concat", ChainRole::rescales},
    ChainRule{"AveragePool", ChainRole::rescales},
    ChainRule{"GlobalAveragePool", ChainRole::rescales},
    ChainRule{"Sigmoid", ChainRole::rescales},
    ChainRule{"LeakyRelu", ChainRole::rescales},
    ChainRule{"MaxPool", ChainRole::keeps},
    ChainRule{"Reshape", ChainRole::keeps},
    ChainRule{"Flatten", ChainRole::keeps},
    ChainRule{"Transpose", ChainRole::keeps},
    ChainRule{"Squeeze", ChainRole::keeps},
    ChainRule{"Unsqueeze", ChainRole::keeps},
    ChainRule{"Split", ChainRole::keeps},
    ChainRule{"Slice", ChainRole::keeps},
    ChainRule{"Pad", ChainRole::keeps, pads_zeros},
    ChainRule{"Resize", ChainRole::keeps, picks_nearest},
};
constexpr std::array<std::string_view, 2> kOrtLayers = {"Conv", "Gemm"};
constexpr std::array<std::string_view, 1> kOrtFloatEnds = {"Gemm"};
constexpr std::array<std::string_view, 2> kOrtAbsorbed = {"Relu", "Clip"};

constexpr std::array kOrtDeployments = {
    DeploymentRule{is_float, {Arithmetic::floating, "computes in FP32", kOrtSelectors}},
    DeploymentRule{has_ort_integer_kernel,
                   {Arithmetic::integer, "computes on integers: QLinearConv, QGemm, QLinearMatMul",
                    kOrtSelectors}},
    DeploymentRule{is_ort_block_matmul,
                   {Arithmetic::floating,
                    "MatMulNBits reads INT4 weights and computes in float: smaller, faster only "
                    "where memory is the limit",
                    kOrtSelectors}},
    DeploymentRule{has_small_scales,
                   {Arithmetic::none, "has no kernel for one-byte scales or FP4",
                    "ONNX Runtime 1.32, CPU execution provider: DequantizeLinear"}},
    DeploymentRule{
        is_float8,
        {Arithmetic::floating, "rounds to FP8 and computes in float: smaller, slower than float",
         "ONNX Runtime 1.32, CPU execution provider: QuantizeLinear"}},
    DeploymentRule{
        is_any,
        {Arithmetic::floating, "computes in float on dequantized operands: smaller, not faster",
         kOrtSelectors}},
};

constexpr std::array kGenericDeployments = {
    DeploymentRule{is_any,
                   {Arithmetic::open, "is written as Q/DQ; the runtime decides what runs",
                    "ONNX, QuantizeLinear and DequantizeLinear"}},
};

constexpr std::array kTargets = {
    Target{.name = "generic",
           .runtime = "any runtime that reads Q/DQ",
           .least_opset = 9,
           .deployments = kGenericDeployments},
    Target{.name = "onnxruntime",
           .runtime = "ONNX Runtime 1.17 or newer, CPU",
           .least_opset = 13,
           .rounded_layers = kOrtLayers,
           .float_at_the_end = kOrtFloatEnds,
           .absorbed = kOrtAbsorbed,
           .chain = kOrtChain,
           .deployments = kOrtDeployments,
           .full_range = true},
};

}  // namespace

ChainRole Target::role_of(const Graph& graph, const Node& node) const {
  if (!node.domain.empty()) return ChainRole::none;
  for (const ChainRule& rule : chain) {
    if (rule.op == node.op && (rule.fits == nullptr || rule.fits(graph, node))) return rule.role;
  }
  return ChainRole::none;
}

Deployment Target::deployment(const Precision& precision, std::string_view layer_op) const {
  const auto rule =
      std::ranges::find_if(deployments, [&](const auto& r) { return r.fits(precision, layer_op); });
  QSWEEP_CHECK(rule != deployments.end());
  return rule->becomes;
}

std::span<const Target> targets() {
  return kTargets;
}

const Target& find_target(std::string_view name) {
  const auto found = std::ranges::find(kTargets, name, &Target::name);
  if (found != kTargets.end()) return *found;
  std::vector<std::string> names;
  for (const Target& t : kTargets) names.emplace_back(t.name);
  throw Error(ErrorCode::config, fmt::format("unknown target '{}'", name), {},
              did_you_mean(std::string(name), names));
}

}  // namespace qsweep
