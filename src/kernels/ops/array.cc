#include "src/kernels/detail/array.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "src/base/vector_clones.h"

namespace qsweep::detail {
namespace {

/// 2^n for n in [-126, 127].
inline float power_of_two(std::int32_t n) {
  return std::bit_cast<float>((n + 127) << 23);
}

// Split of ln2 and coefficients are those of ONNX Runtime's exponential, whose bits exp_value
// gives.
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLog2eRest = 1.92596303e-8f;
constexpr float kLn2High = 6.93145752e-1f;
constexpr float kLn2Low = 1.42860677e-6f;
constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding and subtracting rounds to an integer
constexpr float kExp2 = 0x1.fffff6p-2f;
constexpr float kExp3 = 0x1.555450p-3f;
constexpr float kExp4 = 0x1.555b5ap-5f;
constexpr float kExp5 = 0x1.125edcp-7f;
constexpr float kExp6 = 0x1.694000p-10f;

/// x = n ln2 + r with |r| <= ln2 / 2, a polynomial for e^r, then two exact scalings so that
/// subnormal results round once.
inline float exp_value(float x) {
  float t = x >= -104.0f ? x : -104.0f;  // NaN too: it must not reach the integer below
  t = t > 89.0f ? 89.0f : t;
  const float n = std::fma(t, kLog2e, kRound) - kRound;
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, t));
  float p = kExp6;
  p = std::fma(p, r, kExp5);
  p = std::fma(p, r, kExp4);
  p = std::fma(p, r, kExp3);
  p = std::fma(p, r, kExp2);
  p = std::fma(p, r, 1.0f);
  p = std::fma(p, r, 1.0f);
  const auto whole = static_cast<std::int32_t>(n);
  const std::int32_t half = whole >> 1;
  const float y = p * power_of_two(half) * power_of_two(whole - half);
  return x != x ? x : y;
}

inline float relu_value(float x) {
  return x < 0.0f ? 0.0f : x;
}

/// 1 / (1 + e^-x), within 4 units in the last place for x >= -88; at most a subnormal number below,
/// 0 or 1 for NaN.
/// The exponential in base 2, n + r = -x log2(e): bounds are integer minima of the bits, and the
/// polynomial (least relative error, with 2^0 exact) is scaled by 2^-30, so that adding n to its
/// exponent stays among normal numbers and only the last product overflows.
inline float sigmoid_of_number(float x) {
  constexpr auto kMost = std::bit_cast<std::int32_t>(60.0f);  // from 17.4 on the result is 1
  constexpr auto kLeast = std::bit_cast<std::uint32_t>(-104.0f);
  const auto bounded = static_cast<std::uint32_t>(std::min(std::bit_cast<std::int32_t>(x), kMost));
  const float t = std::bit_cast<float>(std::min(bounded, kLeast));
  const float shifted = std::fma(t, -kLog2e, kRound);  // its lowest bits are n
  const float r = std::fma(t, -kLog2eRest, std::fma(t, -kLog2e, -(shifted - kRound)));
  constexpr float kDown = 0x1p-30f;
  float p = 0x1.41fbbcp-13f * kDown;
  p = std::fma(p, r, 0x1.5f3e54p-10f * kDown);
  p = std::fma(p, r, 0x1.3b2d4cp-7f * kDown);
  p = std::fma(p, r, 0x1.c6aee8p-5f * kDown);
  p = std::fma(p, r, 0x1.ebfbdcp-3f * kDown);
  p = std::fma(p, r, 0x1.62e430p-1f * kDown);
  p = std::fma(p, r, kDown);
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
  const float e = std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + exponent);
  return 1.0f / std::fma(e, 0x1p30f, 1.0f);
}

constexpr int kLanes = 16;

/// Adds lanes: the upper half to the lower, then neighbours.
inline float join(const float* lanes) {
  float buffer[kLanes / 2];
  for (int i = 0; i < kLanes / 2; ++i) buffer[i] = lanes[i] + lanes[i + kLanes / 2];
  for (int width = kLanes / 4; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) buffer[i] = buffer[2 * i] + buffer[2 * i + 1];
  }
  return buffer[0];
}

}  // namespace

QSWEEP_VECTOR_CLONES void relu(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = relu_value(x[i]);
}

QSWEEP_VECTOR_CLONES void sigmoid(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] != x[i] ? x[i] : sigmoid_of_number(x[i]);
}

QSWEEP_VECTOR_CLONES void silu(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * sigmoid_of_number(x[i]);
}

QSWEEP_VECTOR_CLONES void exponential(const float* x, float shift, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = exp_value(x[i] - shift);
}

QSWEEP_VECTOR_CLONES void leaky_relu(const float* x, float slope, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] < 0.0f ? slope * x[i] : x[i];
}

QSWEEP_VECTOR_CLONES void clamp(const float* x, float low, float high, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float raised = x[i] < low ? low : x[i];
    y[i] = raised > high ? high : raised;
  }
}

QSWEEP_VECTOR_CLONES void scale_offset(
    const float* x, const float* scale, const float* offset, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * scale[i] + offset[i];
}

QSWEEP_VECTOR_CLONES void normalize(const float* x,
                                    float mean,
                                    float factor,
                                    const float* scale,
                                    const float* offset,
                                    float* y,
                                    std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = std::fma((x[i] - mean) * factor, scale[i], offset[i]);
}

QSWEEP_VECTOR_CLONES void scale_by(float* y, float factor, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] *= factor;
}

QSWEEP_VECTOR_CLONES float maximum(const float* x, std::int64_t n) {
  // A vector type because compilers keep a float maximum scalar: its order matters to NaN.
  using Lanes __attribute__((vector_size(kLanes * sizeof(float)))) = float;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  Lanes lanes = Lanes{} + kLowest;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes next;
    std::memcpy(&next, x + i, sizeof next);
    lanes = next > lanes ? next : lanes;
  }
  float largest = kLowest;
  for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  for (int lane = 0; lane < kLanes; ++lane) largest = lanes[lane] > largest ? lanes[lane] : largest;
  return largest;
}

QSWEEP_VECTOR_CLONES float sum(const float* x, std::int64_t n) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
  }
  for (int lane = 0; i + lane < n; ++lane) lanes[lane] += x[i + lane];
  return join(lanes);
}

QSWEEP_VECTOR_CLONES double wide_sum(const float* x, std::int64_t n) {
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(x[i + lane]);
  }
  for (int lane = 0; i + lane < n; ++lane) lanes[lane] += static_cast<double>(x[i + lane]);
  double total = 0.0;
  for (const double lane : lanes) total += lane;
  return total;
}

QSWEEP_VECTOR_CLONES float sum_squared_deviation(const float* x, float mean, std::int64_t n) {
  constexpr int kWide = 8;
  float lanes[kWide] = {};
  std::int64_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    for (int lane = 0; lane < kWide; ++lane) {
      const float d = x[i + lane] - mean;
      lanes[lane] = std::fma(d, d, lanes[lane]);
    }
  }
  for (int lane = 0; i + lane < n; ++lane) {
    const float d = x[i + lane] - mean;
    lanes[lane] = std::fma(d, d, lanes[lane]);
  }
  for (int width = kWide / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

QSWEEP_VECTOR_CLONES void add_into(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}

QSWEEP_VECTOR_CLONES void add_rows(const float* x, std::int64_t rows, float* y, std::int64_t n) {
  // Sums stay in registers, several at once, because each waits for its own last addition.
  using Lanes __attribute__((vector_size(kLanes * sizeof(float)))) = float;
  constexpr int kSums = 4;
  std::int64_t i = 0;
  for (; i + kSums * kLanes <= n; i += kSums * kLanes) {
    Lanes sums[kSums];
    std::memcpy(sums, y + i, sizeof sums);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (int s = 0; s < kSums; ++s) {
        Lanes next;
        std::memcpy(&next, x + r * n + i + s * kLanes, sizeof next);
        sums[s] += next;
      }
    }
    std::memcpy(y + i, sums, sizeof sums);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t j = i; j < n; ++j) y[j] += x[r * n + j];
  }
}

QSWEEP_VECTOR_CLONES void add_scaled(const float* x, float factor, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

QSWEEP_VECTOR_CLONES void max_into(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] > y[i] ? x[i] : y[i];
}

namespace {

// `f` is known in each clone's loop, so the compiler sees plain vector code.
#define QSWEEP_ARITHMETIC_ROW(name, f)                                                  \
  QSWEEP_VECTOR_CLONES void name(const float* a, std::int64_t stride_a, const float* b, \
                                 std::int64_t stride_b, float* y, std::int64_t n) {     \
    if (stride_a == 1 && stride_b == 1) {                                               \
      for (std::int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);                        \
    } else if (stride_b == 0 && stride_a == 1) {                                        \
      const float value = *b;                                                           \
      for (std::int64_t i = 0; i < n; ++i) y[i] = f(a[i], value);                       \
    } else if (stride_a == 0 && stride_b == 1) {                                        \
      const float value = *a;                                                           \
      for (std::int64_t i = 0; i < n; ++i) y[i] = f(value, b[i]);                       \
    } else {                                                                            \
      for (std::int64_t i = 0; i < n; ++i) y[i] = f(a[i * stride_a], b[i * stride_b]);  \
    }                                                                                   \
  }
#define QSWEEP_ADD(a, b) ((a) + (b))
#define QSWEEP_SUB(a, b) ((a) - (b))
#define QSWEEP_MUL(a, b) ((a) * (b))
#define QSWEEP_DIV(a, b) ((a) / (b))
#define QSWEEP_ADD_RELU(a, b) relu_value((a) + (b))
QSWEEP_ARITHMETIC_ROW(add_row, QSWEEP_ADD)
QSWEEP_ARITHMETIC_ROW(sub_row, QSWEEP_SUB)
QSWEEP_ARITHMETIC_ROW(mul_row, QSWEEP_MUL)
QSWEEP_ARITHMETIC_ROW(div_row, QSWEEP_DIV)
QSWEEP_ARITHMETIC_ROW(add_relu_row, QSWEEP_ADD_RELU)
#undef QSWEEP_ADD
#undef QSWEEP_SUB
#undef QSWEEP_MUL
#undef QSWEEP_DIV
#undef QSWEEP_ADD_RELU
#undef QSWEEP_ARITHMETIC_ROW

}  // namespace

void arithmetic_row(Arithmetic op,
                    const float* a,
                    std::int64_t stride_a,
                    const float* b,
                    std::int64_t stride_b,
                    float* y,
                    std::int64_t n) {
  switch (op) {
    case Arithmetic::add:
      return add_row(a, stride_a, b, stride_b, y, n);
    case Arithmetic::sub:
      return sub_row(a, stride_a, b, stride_b, y, n);
    case Arithmetic::mul:
      return mul_row(a, stride_a, b, stride_b, y, n);
    case Arithmetic::div:
      return div_row(a, stride_a, b, stride_b, y, n);
    case Arithmetic::add_relu:
      return add_relu_row(a, stride_a, b, stride_b, y, n);
  }
}

}  // namespace qsweep::detail
