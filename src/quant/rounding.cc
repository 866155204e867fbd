#include "src/quant/rounding.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QSWEEP_VECTOR_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QSWEEP_VECTOR_CLONES
#endif

namespace qsweep::rounding {

QSWEEP_VECTOR_CLONES
void affine_fake(const float* in, float* out, std::size_t n, const Affine& q) {
  const float scale = q.scale, low = q.low, high = q.high;
  for (std::size_t i = 0; i < n; ++i) {
    float r = std::rint(in[i] / scale);
    r = r == r ? r : 0.0f;
    r = r < low ? low : r;
    r = r > high ? high : r;
    out[i] = r * scale;
  }
}

QSWEEP_VECTOR_CLONES
void affine_codes(const float* in, std::int8_t* out, std::size_t n, const Affine& q) {
  const float scale = q.scale, low = q.low, high = q.high;
  const std::int32_t zero_point = q.zero_point;
  for (std::size_t i = 0; i < n; ++i) {
    float r = std::rint(in[i] / scale);
    r = r == r ? r : 0.0f;
    r = r < low ? low : r;
    r = r > high ? high : r;
    out[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(r) + zero_point);
  }
}

QSWEEP_VECTOR_CLONES
void mini_float_fake(
    const float* in, float* out, std::size_t n, const MiniFloat& format, float scale) {
  const std::uint32_t smallest_step =
      static_cast<std::uint32_t>(format.min_exponent - format.significand_bits + 127) << 23;
  const std::uint32_t shift = static_cast<std::uint32_t>(format.significand_bits) << 23;
  const float largest = format.largest;
  const float beyond = format.saturates ? largest : std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < n; ++i) {
    const float x = in[i] / scale;
    const std::uint32_t exponent = std::bit_cast<std::uint32_t>(x) & 0x7F800000u;
    // Distance of neighbouring values around x, a power of two, so dividing and multiplying by it
    // are exact.
    std::uint32_t step_bits = exponent > shift ? exponent - shift : 0u;
    step_bits = step_bits > smallest_step ? step_bits : smallest_step;
    const float step = std::bit_cast<float>(step_bits);
    const float magnitude = std::fabs(x);
    float r = std::rint(magnitude / step) * step;
    r = magnitude == magnitude && r > largest ? beyond : r;
    r = magnitude == std::numeric_limits<float>::infinity() ? beyond : r;
    out[i] = std::copysign(r, x) * scale;
  }
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
  std::array<float, kLanes> low, high;
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

}  // namespace qsweep::rounding
