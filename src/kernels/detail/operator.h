#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "src/kernels/ops.h"

namespace qsweep::detail {

using Ints = std::vector<std::int64_t>;
using Tensors = std::vector<Tensor>;
using Inputs = std::span<const Tensor>;

/// Whose operator it is.
enum class Domain : std::uint8_t { onnx, microsoft, either };

/// One line of operators.inc.
struct Operator {
  Domain domain;
  std::string_view name;
  Tensors (*run)(const OpCall& call, Inputs inputs);
  int least_inputs;   ///< that must be present
  int most_inputs;    ///< -1: any number
  bool keeps_layout;  ///< gets operands in the layout they have; others get row_major
};

/// Throws Error(corrupt_input), or Error(unsupported), naming operator and node.
[[noreturn]] void fail(const OpCall& call, const std::string& message);
[[noreturn]] void refuse(const OpCall& call, const std::string& message);

/// True when operand `i` is there.
[[nodiscard]] inline bool has(Inputs inputs, std::size_t i) {
  return i < inputs.size() && !inputs[i].empty();
}

/// An uninitialised result; extents beyond kMaxElements are an error of the operands.
[[nodiscard]] Tensor make_result(const OpCall& call,
                                 DType dtype,
                                 const Shape& shape,
                                 Layout layout = Layout::row_major);

/// `axis` in [-rank, rank) as an index in [0, rank).
[[nodiscard]] std::size_t resolve_axis(const OpCall& call, std::int64_t axis, int rank);

/// The numbers of an i64 or i32 operand (a shape, axes, pads...).
[[nodiscard]] Ints int_values(const OpCall& call, const Tensor& tensor);
/// The numbers of an f32 operand.
[[nodiscard]] std::vector<float> float_values(const OpCall& call, const Tensor& tensor);
/// Operand `i` if present, else the attribute, else nothing: axes and the like moved from one to
/// the other.
[[nodiscard]] Ints ints_argument(const OpCall& call,
                                 Inputs inputs,
                                 std::size_t i,
                                 const std::string& attribute);

/// Refuses operands that are not f32.
void require_f32(const OpCall& call, const Tensor& tensor);

/// Physical order of the axes of a rank: row_major 0 1 2 3, channels_last 0 2 3 1.
[[nodiscard]] std::vector<std::size_t> physical_order(std::size_t rank, Layout layout);
/// Elements between neighbours along each logical axis.
[[nodiscard]] Ints strides_of(const Shape& shape, Layout layout);

/// Calls f(std::type_identity<T>{}) with the C++ type of a numeric dtype.
template <class F>
decltype(auto) visit_numeric(const OpCall& call, DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(std::type_identity<float>{});
    case DType::f64:
      return f(std::type_identity<double>{});
    case DType::i8:
      return f(std::type_identity<std::int8_t>{});
    case DType::u8:
      return f(std::type_identity<std::uint8_t>{});
    case DType::i16:
      return f(std::type_identity<std::int16_t>{});
    case DType::u16:
      return f(std::type_identity<std::uint16_t>{});
    case DType::i32:
      return f(std::type_identity<std::int32_t>{});
    case DType::u32:
      return f(std::type_identity<std::uint32_t>{});
    case DType::i64:
      return f(std::type_identity<std::int64_t>{});
    case DType::u64:
      return f(std::type_identity<std::uint64_t>{});
    default:
      refuse(call, "has no kernel for " + std::string(name_of(dtype)));
  }
}

/// Calls f(std::type_identity<U>{}) with the unsigned type of an element's size: for moving data.
template <class F>
decltype(auto) visit_size(DType dtype, F&& f) {
  switch (element_bytes(dtype)) {
    case 1:
      return f(std::type_identity<std::uint8_t>{});
    case 2:
      return f(std::type_identity<std::uint16_t>{});
    case 4:
      return f(std::type_identity<std::uint32_t>{});
    default:
      return f(std::type_identity<std::uint64_t>{});
  }
}

#define OPERATOR(name, function, least, most, keeps) Tensors function(const OpCall&, Inputs);
#include "src/kernels/operators.inc"
#undef OPERATOR

}  // namespace qsweep::detail
