#pragma once

#include <cstddef>
#include <cstdint>

namespace qsweep::rounding {

/// The element loops behind affine.h. All are element-wise IEEE arithmetic (division,
/// round-half-even, clamp), so every ISA they are compiled for gives the same bits. `in` and `out`
/// may be the same array.

/// How an integer format rounds: r = clamp(round_half_even(x / scale), low, high), low and high
/// relative to the zero point; NaN gives r = 0, and r is never -0.
struct Affine {
  float scale = 1.0f;
  float low = 0.0f;
  float high = 0.0f;
  std::int32_t zero_point = 0;
};
void affine_fake(const float* in, float* out, std::size_t n, const Affine& q);  ///< out = r * scale
void affine_codes(const float* in,
                  std::int8_t* out,
                  std::size_t n,
                  const Affine& q);  ///< out = r + zero_point, low 8 bits
void affine_codes(const float* in,
                  std::int16_t* out,
                  std::size_t n,
                  const Affine& q);  ///< out = r + zero_point, low 16 bits
/// out = (code - zero_point) * scale, codes of u8, i8, u16, i16 or i32
void affine_values(
    const std::uint8_t* codes, float* out, std::size_t n, float zero_point, float scale);
void affine_values(
    const std::int8_t* codes, float* out, std::size_t n, float zero_point, float scale);
void affine_values(
    const std::uint16_t* codes, float* out, std::size_t n, float zero_point, float scale);
void affine_values(
    const std::int16_t* codes, float* out, std::size_t n, float zero_point, float scale);
void affine_values(
    const std::int32_t* codes, float* out, std::size_t n, float zero_point, float scale);

/// A float format of at most 16 bits and 11 significand bits: `significand_bits` after the point,
/// smallest normal 2^min_exponent, largest finite value. Subnormals are kept. Over the largest:
/// saturates, or becomes infinite from the midpoint to the next step on. NaN becomes NaN, or the
/// largest value (sign kept) in a format without one.
struct MiniFloat {
  int significand_bits;
  int min_exponent;
  float largest;
  bool saturates;
  int bits;                ///< of a code
  std::uint32_t nan;       ///< code of NaN, sign cleared; 0 when the format has none
  std::uint32_t infinity;  ///< likewise
};
inline constexpr MiniFloat kE4M3FN{3, -6, 448.0f, true, 8, 0x7F, 0};
inline constexpr MiniFloat kE5M2{2, -14, 57344.0f, true, 8, 0x7E, 0x7C};
inline constexpr MiniFloat kE2M1{1, 0, 6.0f, true, 4, 0, 0};
inline constexpr MiniFloat kHalf{10, -14, 65504.0f, false, 16, 0x7E00, 0x7C00};

/// out = round(x / scale) * scale in the format, ties to even.
void mini_float_fake(
    const float* in, float* out, std::size_t n, const MiniFloat& format, float scale);
/// out = code of round(x / scale), for formats of at most 8 bits.
void mini_float_codes(
    const float* in, std::uint8_t* out, std::size_t n, const MiniFloat& format, float scale);
/// Code of x rounded to the format, ties to even.
[[nodiscard]] std::uint32_t mini_float_code(float x, const MiniFloat& format);
/// Rounds to bfloat16 precision, ties to even.
void bfloat16_fake(const float* in, float* out, std::size_t n);

/// Extremes of n >= 1 values and whether all are finite.
struct Extremes {
  float min;
  float max;
  bool finite;
};
[[nodiscard]] Extremes extremes(const float* in, std::size_t n);

/// Sum of (a - b)^2 in double, in an order that depends on n alone.
[[nodiscard]] double squared_error(const float* a, const float* b, std::size_t n);

}  // namespace qsweep::rounding
