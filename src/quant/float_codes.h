#pragma once

#include <cstdint>

#include "src/tensor/dtype.h"

namespace qsweep {

/// Bit patterns of the small float formats. Encoding rounds half to even and saturates for float8
/// and float4 (OCP 8-bit Floating Point 1.0, OCP Microscaling 1.0), overflows to infinity for
/// float16 (IEEE 754). NaN becomes the format's NaN; float4 has none and gives the largest value
/// (sign kept).

/// `dtype` is f8e4m3fn, f8e5m2 or f4e2m1. Exact.
[[nodiscard]] float decode_small_float(std::uint8_t code, DType dtype);
[[nodiscard]] std::uint8_t encode_small_float(float value, DType dtype);

[[nodiscard]] float half_to_float(std::uint16_t bits);
[[nodiscard]] std::uint16_t float_to_half(float value);
[[nodiscard]] float bfloat16_to_float(std::uint16_t bits);
[[nodiscard]] std::uint16_t float_to_bfloat16(float value);

}  // namespace qsweep
