#include "src/quant/rounding.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "src/base/vector_clones.h"

namespace qsweep::rounding {

namespace {

#define QSWEEP_INLINE __attribute__((always_inline)) inline

QSWEEP_INLINE float affine_round(float x, float scale, float low, float high) {
  // Adding 0 turns the -0 that small negative values round to into the 0 that codes stand for.
  float r = std::rint(x / scale) + 0.0f;
  r = r == r ? r : 0.0f;
  r = r < low ? low : r;
  return r > high ? high : r;
}

/// The constants of a MiniFloat that its loops need.
struct Grid {
  explicit Grid(const MiniFloat& f)
      : smallest_step(static_cast<std::uint32_t>(f.min_exponent - f.significand_bits + 127) << 23),
        shift(static_cast<std::uint32_t>(f.significand_bits) << 23),
        largest(f.largest),
        beyond(f.saturates ? f.largest : std::numeric_limits<float>::infinity()),
        not_a_number(f.nan != 0 ? std::numeric_limits<float>::quiet_NaN() : f.largest) {}
  std::uint32_t smallest_step, shift;
  float largest, beyond, not_a_number;
};

/// |x| rounded to the grid.
QSWEEP_INLINE float round_magnitude(float x, const Grid& g) {
  // Of infinity that of the largest float, whose step has a reciprocal too.
  const std::uint32_t field = std::bit_cast<std::uint32_t>(x) & 0x7F800000u;
  const std::uint32_t exponent = field < 0x7F000000u ? field : 0x7F000000u;
  // Distance of neighbouring values around x, a power of two, so that its reciprocal is a float and
  // products with both are exact.
  std::uint32_t step_bits = exponent > g.shift ? exponent - g.shift : 0u;
  step_bits = step_bits > g.smallest_step ? step_bits : g.smallest_step;
  const float step = std::bit_cast<float>(step_bits);
  const float steps_in_one = std::bit_cast<float>((254u << 23) - step_bits);
  const float magnitude = std::fabs(x);
  float r = std::rint(magnitude * steps_in_one) * step;
  r = r > g.largest ? g.beyond : r;
  return magnitude == magnitude ? r : g.not_a_number;
}

QSWEEP_INLINE float power_of_two(int exponent) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
}

/// How the magnitude of a value of the format is spelled.
struct Spelling {
  explicit Spelling(const MiniFloat& f)
      : shift(23 - f.significand_bits),
        rebias(static_cast<std::uint32_t>(126 + f.min_exponent) << f.significand_bits),
        smallest_normal(power_of_two(f.min_exponent)),
        units(power_of_two(f.significand_bits - f.min_exponent)),
        nan(f.nan),
        sign_at(f.bits - 1) {}
  int shift;
  std::uint32_t rebias;
  float smallest_normal, units;
  std::uint32_t nan;
  int sign_at;
};

/// Code of sign(x) * magnitude, where magnitude is a finite value of the format or NaN.
QSWEEP_INLINE std::uint32_t spell(float x, float magnitude, const Spelling& s) {
  const bool subnormal = magnitude < s.smallest_normal;
  const auto small = static_cast<std::int32_t>((subnormal ? magnitude : 0.0f) * s.units);
  const std::uint32_t normal = (std::bit_cast<std::uint32_t>(magnitude) >> s.shift) - s.rebias;
  std::uint32_t code = subnormal ? static_cast<std::uint32_t>(small) : normal;
  code = magnitude == magnitude ? code : s.nan;
  return code | (std::bit_cast<std::uint32_t>(x) >> 31) << s.sign_at;
}

}  // namespace

QSWEEP_VECTOR_CLONES
void affine_fake(const float* in, float* out, std::size_t n, const Affine& q) {
  const float scale = q.scale, low = q.low, high = q.high;
  for (std::size_t i = 0; i < n; ++i) out[i] = affine_round(in[i], scale, low, high) * scale;
}

QSWEEP_VECTOR_CLONES
void affine_codes(const float* in, std::int8_t* out, std::size_t n, const Affine& q) {
  const float scale = q.scale, low = q.low, high = q.high;
  const std::int32_t zero_point = q.zero_point;
  for (std::size_t i = 0; i < n; ++i) {
    const auto r = static_cast<std::int32_t>(affine_round(in[i], scale, low, high));
    out[i] = static_cast<std::int8_t>(r + zero_point);
  }
}

QSWEEP_VECTOR_CLONES
void affine_codes(const float* in, std::int16_t* out, std::size_t n, const Affine& q) {
  const float scale = q.scale, low = q.low, high = q.high;
  const std::int32_t zero_point = q.zero_point;
  for (std::size_t i = 0; i < n; ++i) {
    const auto r = static_cast<std::int32_t>(affine_round(in[i], scale, low, high));
    out[i] = static_cast<std::int16_t>(r + zero_point);
  }
}

QSWEEP_VECTOR_CLONES
void affine_values(
    const std::uint8_t* codes, float* out, std::size_t n, float zero_point, float scale) {
  for (std::size_t i = 0; i < n; ++i) out[i] = (static_cast<float>(codes[i]) - zero_point) * scale;
}

QSWEEP_VECTOR_CLONES
void affine_values(
    const std::int8_t* codes, float* out, std::size_t n, float zero_point, float scale) {
  for (std::size_t i = 0; i < n; ++i) out[i] = (static_cast<float>(codes[i]) - zero_point) * scale;
}

QSWEEP_VECTOR_CLONES
void affine_values(
    const std::uint16_t* codes, float* out, std::size_t n, float zero_point, float scale) {
  for (std::size_t i = 0; i < n; ++i) out[i] = (static_cast<float>(codes[i]) - zero_point) * scale;
}

QSWEEP_VECTOR_CLONES
void affine_values(
    const std::int16_t* codes, float* out, std::size_t n, float zero_point, float scale) {
  for (std::size_t i = 0; i < n; ++i) out[i] = (static_cast<float>(codes[i]) - zero_point) * scale;
}

QSWEEP_VECTOR_CLONES
void affine_values(
    const std::int32_t* codes, float* out, std::size_t n, float zero_point, float scale) {
  for (std::size_t i = 0; i < n; ++i) out[i] = (static_cast<float>(codes[i]) - zero_point) * scale;
}

QSWEEP_VECTOR_CLONES
void mini_float_fake(
    const float* in, float* out, std::size_t n, const MiniFloat& format, float scale) {
  const Grid grid(format);
  for (std::size_t i = 0; i < n; ++i) {
    const float x = in[i] / scale;
    out[i] = std::copysign(round_magnitude(x, grid), x) * scale;
  }
}

QSWEEP_VECTOR_CLONES
void mini_float_codes(
    const float* in, std::uint8_t* out, std::size_t n, const MiniFloat& format, float scale) {
  const Grid grid(format);
  const Spelling spelling(format);
  for (std::size_t i = 0; i < n; ++i) {
    const float x = in[i] / scale;
    out[i] = static_cast<std::uint8_t>(spell(x, round_magnitude(x, grid), spelling));
  }
}

std::uint32_t mini_float_code(float x, const MiniFloat& format) {
  const float magnitude = round_magnitude(x, Grid(format));
  if (std::isinf(magnitude))
    return format.infinity | (std::signbit(x) ? 1u << (format.bits - 1) : 0u);
  return spell(x, magnitude, Spelling(format));
}

QSWEEP_VECTOR_CLONES
void bfloat16_fake(const float* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(in[i]);
    const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
    const bool is_nan = in[i] != in[i];
    out[i] = std::bit_cast<float>(is_nan ? (bits | 0x00400000u) & 0xFFFF0000u : rounded);
  }
}

QSWEEP_VECTOR_CLONES
Extremes extremes(const float* in, std::size_t n) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> low{}, high{};
  std::array<std::int32_t, kLanes> bad{};
  low.fill(in[0]);
  high.fill(in[0]);
  const float limit = std::numeric_limits<float>::max();
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float x = in[i + j];
      low[j] = x < low[j] ? x : low[j];
      high[j] = x > high[j] ? x : high[j];
      bad[j] |= std::fabs(x) <= limit ? 0 : 1;
    }
  }
  Extremes e{low[0], high[0], true};
  for (std::size_t j = 0; j < kLanes; ++j) {
    e.min = low[j] < e.min ? low[j] : e.min;
    e.max = high[j] > e.max ? high[j] : e.max;
    e.finite = e.finite && bad[j] == 0;
  }
  for (; i < n; ++i) {
    e.min = in[i] < e.min ? in[i] : e.min;
    e.max = in[i] > e.max ? in[i] : e.max;
    e.finite = e.finite && std::fabs(in[i]) <= limit;
  }
  e.finite = e.finite && std::fabs(in[0]) <= limit;
  // -0 and +0 are equal extremes; keep one of them so that order cannot show.
  e.min += 0.0f;
  e.max += 0.0f;
  return e;
}

QSWEEP_VECTOR_CLONES
double squared_error(const float* a, const float* b, std::size_t n) {
  constexpr std::size_t kLanes = 16;
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const double d = static_cast<double>(a[i + j]) - static_cast<double>(b[i + j]);
      sums[j] += d * d;
    }
  }
  double total = 0.0;
  for (double s : sums) total += s;
  for (; i < n; ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    total += d * d;
  }
  return total;
}

}  // namespace qsweep::rounding
