#pragma once

#include <cstddef>
#include <cstdint>

namespace qsweep::rounding {

/// The element loops behind affine.h. All are element-wise IEEE arithmetic (division,
/// round-half-even, clamp), so every ISA they are compiled for gives the same bits. `in` and `out`
/// may be the same array.

/// How an integer format rounds: r = clamp(round_half_even(x / scale), low, high), low and high
/// relative to the zero point; NaN gives r = 0.
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

/// A float format of at most 11 significand bits: `significand_bits` after the point, smallest
/// normal 2^min_exponent, largest finite value. Subnormals are kept. Over the largest: saturates,
/// or becomes infinite from the midpoint to the next step on.
struct MiniFloat {
  int significand_bits;
  int min_exponent;
  float largest;
  bool saturates;
};
inline constexpr MiniFloat kE4M3FN{3, -6, 448.0f, true};
inline constexpr MiniFloat kE5M2{2, -14, 57344.0f, true};
inline constexpr MiniFloat kE2M1{1, 0, 6.0f, true};
inline constexpr MiniFloat kHalf{10, -14, 65504.0f, false};

/// out = round(x / scale) * scale in the format, ties to even. NaN stays NaN.
void mini_float_fake(
    const float* in, float* out, std::size_t n, const MiniFloat& format, float scale);
/// Rounds to bfloat16 precision, ties to even.
void bfloat16_fake(const float* in, float* out, std::size_t n);

/// Extremes of n >= 1 values and whether all are finite.
struct Extremes {
  float min;
  float max;
  bool finite;
};
[[nodiscard]] Extremes extremes(const float* in, std::size_t n);

}  // namespace qsweep::rounding
