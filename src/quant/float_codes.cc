#include "src/quant/float_codes.h"

#include <bit>
#include <limits>

#include "src/base/error.h"

#include "src/quant/rounding.h"

namespace qsweep {
namespace {

const rounding::MiniFloat& mini_float(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return rounding::kE4M3FN;
    case DType::f8e5m2:
      return rounding::kE5M2;
    case DType::f4e2m1:
      return rounding::kE2M1;
    default:
      throw Error(ErrorCode::internal, "not a small float format");
  }
}

float decode(std::uint32_t code, const rounding::MiniFloat& f) {
  const std::uint32_t sign = (code >> (f.bits - 1)) & 1u;
  const std::uint32_t magnitude = code & ((1u << (f.bits - 1)) - 1u);
  float value = 0.0f;
  if (f.infinity != 0 && magnitude >= f.infinity) {
    value = magnitude == f.infinity ? std::numeric_limits<float>::infinity()
                                    : std::numeric_limits<float>::quiet_NaN();
  } else if (f.nan != 0 && magnitude == f.nan) {
    value = std::numeric_limits<float>::quiet_NaN();
  } else {
    // The same exponent and significand fields read as a float32 are too small by a power of two;
    // the product also normalises subnormals. Both factors and the result are exact.
    const float scaled = std::bit_cast<float>(magnitude << (23 - f.significand_bits));
    const auto power = static_cast<std::uint32_t>(127 + 126 + f.min_exponent);
    value = scaled * std::bit_cast<float>(power << 23);
  }
  return sign != 0 ? -value : value;
}

}  // namespace

float decode_small_float(std::uint8_t code, DType dtype) {
  return decode(code, mini_float(dtype));
}
std::uint8_t encode_small_float(float value, DType dtype) {
  return static_cast<std::uint8_t>(rounding::mini_float_code(value, mini_float(dtype)));
}
float half_to_float(std::uint16_t bits) {
  return decode(bits, rounding::kHalf);
}
std::uint16_t float_to_half(float value) {
  return static_cast<std::uint16_t>(rounding::mini_float_code(value, rounding::kHalf));
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
