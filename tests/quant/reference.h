#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace qsweep::test {

/// Textbook arithmetic in double, written from the specifications and not from the code under test.

/// Nearest integer, ties to the even one.
inline double round_half_even(double x) {
  const double below = std::floor(x);
  const double above_half = x - below - 0.5;
  if (above_half != 0.0) return above_half > 0.0 ? below + 1.0 : below;
  return std::fmod(below, 2.0) == 0.0 ? below : below + 1.0;
}

/// ONNX QuantizeLinear of one value: saturate(round(x / scale) + zero_point). The quotient is a
/// float; rounding a double quotient to float gives the correctly rounded one.
inline int quantized(float x, float scale, int zero_point, int lowest, int highest) {
  if (std::isnan(x)) return zero_point;
  const auto quotient = static_cast<float>(static_cast<double>(x) / static_cast<double>(scale));
  const double code = round_half_even(static_cast<double>(quotient)) + zero_point;
  return static_cast<int>(std::clamp(code, double(lowest), double(highest)));
}

/// A binary floating-point format by its definition: `exponent_bits`, `fraction_bits`, bias. The
/// codes from `first_special` on (sign cleared) are infinity or NaN.
struct FloatFormat {
  int exponent_bits, fraction_bits, bias;
  unsigned first_special;

  [[nodiscard]] int bits() const { return 1 + exponent_bits + fraction_bits; }
  [[nodiscard]] double magnitude(unsigned code) const {
    const unsigned exponent = code >> fraction_bits;
    const double fraction = (code & ((1u << fraction_bits) - 1u)) / std::exp2(fraction_bits);
    return exponent == 0 ? fraction * std::exp2(1 - bias)
                         : (1.0 + fraction) * std::exp2(static_cast<int>(exponent) - bias);
  }
  [[nodiscard]] double largest() const { return magnitude(first_special - 1); }

  /// Code of the nearest magnitude, ties to the even code; `first_special` when x is nearer to the
  /// value that would follow the largest, or half way to it and the largest is odd.
  [[nodiscard]] unsigned nearest(double x) const {
    unsigned low = 0, high = first_special;  // magnitudes rise with the code
    while (high - low > 1) {
      const unsigned middle = (low + high) / 2;
      (magnitude(middle) <= x ? low : high) = middle;
    }
    const double to_low = x - magnitude(low), to_high = magnitude(high) - x;
    if (to_low != to_high) return to_low < to_high ? low : high;
    return low % 2 == 0 ? low : high;
  }
};
inline constexpr FloatFormat kHalfFormat{5, 10, 15, 0x7C00};
inline constexpr FloatFormat kE4M3Format{4, 3, 7, 0x7F};
inline constexpr FloatFormat kE5M2Format{5, 2, 15, 0x7C};
inline constexpr FloatFormat kE2M1Format{2, 1, 1, 0x8};

/// Normal values whose magnitudes spread over several powers of ten.
inline std::vector<float> wide_values(std::size_t n, unsigned seed, float spread = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) {
    const float x = normal(generator);
    v = x * std::exp(spread * normal(generator));
  }
  return values;
}

}  // namespace qsweep::test
