#include "src/kernels/ops.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/operator.h"

namespace qsweep {
namespace {

using detail::Operator;

constexpr Operator kOperators[] = {
#define ROW(domain, name, function, least, most, keeps) \
  {detail::Domain::domain, #name, detail::function, least, most, keeps},
#define OPERATOR(...) ROW(onnx, __VA_ARGS__)
#define MICROSOFT_OPERATOR(...) ROW(microsoft, __VA_ARGS__)
#define EITHER_OPERATOR(...) ROW(either, __VA_ARGS__)
#include "src/kernels/operators.inc"
#undef OPERATOR
#undef ROW
};
static_assert(std::ranges::is_sorted(kOperators, {}, &Operator::name));

/// Opsets whose semantics the operators follow.
constexpr int kNewestOpset = 21;

const Operator* find_operator(std::string_view op) {
  const auto* found = std::ranges::lower_bound(kOperators, op, {}, &Operator::name);
  return found != std::end(kOperators) && found->name == op ? found : nullptr;
}

}  // namespace

bool is_supported(std::string_view op, std::string_view domain, int opset) {
  const Operator* known = find_operator(op);
  if (known == nullptr || opset < 1 || opset > kNewestOpset) return false;
  if (domain == "com.microsoft") return known->domain != detail::Domain::onnx;
  return (domain.empty() || domain == "ai.onnx") && known->domain != detail::Domain::microsoft;
}

std::vector<std::string> supported_ops() {
  std::vector<std::string> names;
  for (const Operator& known : kOperators) names.emplace_back(known.name);
  return names;
}

bool keeps_layout(std::string_view op) {
  const Operator* known = find_operator(op);
  return known != nullptr && known->keeps_layout;
}

std::vector<Tensor> run_op(const OpCall& call, std::span<const Tensor> inputs) {
  if (!is_supported(call.op, call.domain, call.opset)) {
    detail::refuse(call,
                   fmt::format("has no kernel (domain '{}', opset {})", call.domain, call.opset));
  }
  const Operator& known = *find_operator(call.op);
  const int count = static_cast<int>(inputs.size());
  if (count < known.least_inputs || (known.most_inputs >= 0 && count > known.most_inputs)) {
    detail::fail(call, fmt::format("has {} inputs", count));
  }
  for (int i = 0; i < known.least_inputs; ++i) {
    if (inputs[static_cast<std::size_t>(i)].empty()) {
      detail::fail(call, fmt::format("lacks input {}", i));
    }
  }
  std::vector<Tensor> outputs;
  if (known.keeps_layout) {
    outputs = known.run(call, inputs);
  } else {
    std::vector<Tensor> ordered;
    for (const Tensor& input : inputs) {
      ordered.push_back(input.empty() ? input : input.to_layout(Layout::row_major));
    }
    outputs = known.run(call, ordered);
  }
  if (static_cast<int>(outputs.size()) < call.outputs) {
    detail::refuse(call, fmt::format("with {} outputs has no kernel", call.outputs));
  }
  outputs.resize(static_cast<std::size_t>(call.outputs));
  return outputs;
}

namespace detail {

namespace {
std::string node_text(const OpCall& call) {
  return call.name.empty() ? std::string(call.op) : fmt::format("{} '{}'", call.op, call.name);
}
}  // namespace

void fail(const OpCall& call, const std::string& message) {
  throw Error(ErrorCode::corrupt_input, fmt::format("{} {}", call.op, message), node_text(call));
}

void refuse(const OpCall& call, const std::string& message) {
  throw Error(ErrorCode::unsupported, fmt::format("{} {}", call.op, message), node_text(call));
}

Tensor make_result(const OpCall& call, DType dtype, const Shape& shape, Layout layout) {
  if (!is_plausible(shape)) {
    fail(call, fmt::format("would give a result of {}", to_string(shape)));
  }
  return Tensor(dtype, shape, shape.size() < 3 ? Layout::row_major : layout);
}

std::size_t resolve_axis(const OpCall& call, std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    fail(call, fmt::format("axis {} is outside a tensor of rank {}", axis, rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

Ints int_values(const OpCall& call, const Tensor& tensor) {
  const Tensor ordered = tensor.to_layout(Layout::row_major);
  if (tensor.dtype() == DType::i64) {
    const auto values = ordered.data<std::int64_t>();
    return {values.begin(), values.end()};
  }
  if (tensor.dtype() == DType::i32) {
    const auto values = ordered.data<std::int32_t>();
    return {values.begin(), values.end()};
  }
  fail(call, fmt::format("needs an integer operand and got {}", name_of(tensor.dtype())));
}

std::vector<float> float_values(const OpCall& call, const Tensor& tensor) {
  require_f32(call, tensor);
  const Tensor ordered = tensor.to_layout(Layout::row_major);
  const auto values = ordered.data<float>();
  return {values.begin(), values.end()};
}

Ints ints_argument(const OpCall& call, Inputs inputs, std::size_t i, const std::string& attribute) {
  return has(inputs, i) ? int_values(call, inputs[i]) : call.attributes.ints(attribute);
}

void require_f32(const OpCall& call, const Tensor& tensor) {
  if (tensor.dtype() != DType::f32) {
    refuse(call, fmt::format("has no kernel for {}", name_of(tensor.dtype())));
  }
}

std::vector<std::size_t> physical_order(std::size_t rank, Layout layout) {
  std::vector<std::size_t> order(rank);
  for (std::size_t i = 0; i < rank; ++i) order[i] = i;
  if (layout == Layout::channels_last && rank > 2)
    std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

Ints strides_of(const Shape& shape, Layout layout) {
  Ints strides(shape.size());
  const std::vector<std::size_t> order = physical_order(shape.size(), layout);
  std::int64_t stride = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = stride;
    stride *= shape[order[i]];
  }
  return strides;
}

}  // namespace detail
}  // namespace qsweep
