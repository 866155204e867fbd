#include "io/onnx/detail/finite.h"

#include <type_traits>

namespace qsweep::detail {
namespace {

/// Looks at bit patterns: `magnitude` masks the sign off, and the positive numbers of all these
/// formats are ordered like their patterns: first the finite ones, then `infinity`, then NaN.
template <class Bits>
std::optional<NonFinite> scan(const Tensor& tensor,
                              std::type_identity_t<Bits> magnitude,
                              std::type_identity_t<Bits> infinity,
                              bool infinity_counts) {
  std::int64_t index = 0;
  for (const Bits bits : tensor.data<Bits>()) {
    const auto positive = static_cast<Bits>(bits & magnitude);
    if (positive > infinity || (infinity_counts && positive == infinity)) {
      return NonFinite{.index = index, .is_nan = positive != infinity};
    }
    ++index;
  }
  return std::nullopt;
}

}  // namespace

std::optional<NonFinite> find_non_finite(const Tensor& tensor, bool infinity_counts) {
  switch (tensor.dtype()) {
    case DType::f32:
      return scan<std::uint32_t>(tensor, 0x7FFFFFFFU, 0x7F800000U, infinity_counts);
    case DType::f64:
      return scan<std::uint64_t>(tensor, 0x7FFFFFFFFFFFFFFFU, 0x7FF0000000000000U, infinity_counts);
    case DType::f16:
      return scan<std::uint16_t>(tensor, 0x7FFFU, 0x7C00U, infinity_counts);
    case DType::bf16:
      return scan<std::uint16_t>(tensor, 0x7FFFU, 0x7F80U, infinity_counts);
    case DType::f8e5m2:
      return scan<std::uint8_t>(tensor, 0x7FU, 0x7CU, infinity_counts);
    // E4M3FN has no infinity: its largest finite number stands just below NaN.
    case DType::f8e4m3fn:
      return scan<std::uint8_t>(tensor, 0x7FU, 0x7EU, false);
    default:
      return std::nullopt;
  }
}

}  // namespace qsweep::detail
