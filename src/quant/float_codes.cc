#include "src/quant/float_codes.h"

#include <bit>
#include <cmath>
#include <limits>

#include "src/base/error.h"

#include "src/quant/rounding.h"

namespace qsweep {
namespace {

struct CodeLayout {
  rounding::MiniFloat format;
  int bits;                ///< of a code
  std::uint32_t nan;       ///< code of NaN, sign cleared; 0 when the format has none
  std::uint32_t infinity;  ///< likewise
};

CodeLayout layout_of(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return {rounding::kE4M3FN, 8, 0x7F, 0};
    case DType::f8e5m2:
      return {rounding::kE5M2, 8, 0x7E, 0x7C};
    case DType::f4e2m1:
      return {rounding::kE2M1, 4, 0, 0};
    case DType::f16:
      return {rounding::kHalf, 16, 0x7E00, 0x7C00};
    default:
      throw Error(ErrorCode::internal, "not a small float format");
  }
}

float decode(std::uint32_t code, const CodeLayout& layout) {
  const int m = layout.format.significand_bits;
  const std::uint32_t sign = (code >> (layout.bits - 1)) & 1u;
  const std::uint32_t magnitude = code & ((1u << (layout.bits - 1)) - 1u);
  const std::uint32_t exponent = magnitude >> m;
  const std::uint32_t significand = magnitude & ((1u << m) - 1u);
  float value = 0.0f;
  if (layout.infinity != 0 && magnitude >= layout.infinity) {
    value = magnitude == layout.infinity ? std::numeric_limits<float>::infinity()
                                         : std::numeric_limits<float>::quiet_NaN();
  } else if (layout.infinity == 0 && layout.nan != 0 && magnitude == layout.nan) {
    value = std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(significand), layout.format.min_exponent - m);
  } else {
    value = std::ldexp(static_cast<float>((1u << m) + significand),
                       layout.format.min_exponent + static_cast<int>(exponent) - 1 - m);
  }
  return sign ? -value : value;
}

std::uint32_t encode(float x, const CodeLayout& layout) {
  const int m = layout.format.significand_bits;
  const std::uint32_t sign = std::signbit(x) ? 1u << (layout.bits - 1) : 0u;
  if (std::isnan(x)) {
    if (layout.nan != 0) return sign | layout.nan;
    x = layout.format.largest;
  }
  float rounded = 0.0f;
  rounding::mini_float_fake(&x, &rounded, 1, layout.format, 1.0f);
  const float magnitude = std::fabs(rounded);
  if (std::isinf(magnitude)) return sign | layout.infinity;
  if (magnitude == 0.0f) return sign;
  const int exponent = std::max(std::ilogb(magnitude), layout.format.min_exponent);
  // Significand in units of the last place, the implicit bit included for normal numbers.
  const auto units = static_cast<std::uint32_t>(std::ldexp(magnitude, m - exponent));
  const auto field = static_cast<std::uint32_t>(exponent - layout.format.min_exponent);
  return sign | ((field << m) + units);
}

}  // namespace

float decode_small_float(std::uint8_t code, DType dtype) {
  return decode(code, layout_of(dtype));
}
std::uint8_t encode_small_float(float value, DType dtype) {
  return static_cast<std::uint8_t>(encode(value, layout_of(dtype)));
}
float half_to_float(std::uint16_t bits) {
  return decode(bits, layout_of(DType::f16));
}
std::uint16_t float_to_half(float value) {
  return static_cast<std::uint16_t>(encode(value, layout_of(DType::f16)));
}
float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}
std::uint16_t float_to_bfloat16(float value) {
  float rounded = 0.0f;
  rounding::bfloat16_fake(&value, &rounded, 1);
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(rounded) >> 16);
}

}  // namespace qsweep
