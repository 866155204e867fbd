// Compiled for instructions that the CPU may not have. Nothing inline from elsewhere may be used
// here: the linker could keep this build of it for the whole program.

#include <immintrin.h>

#include "src/kernels/detail/window_steps.h"

// Sums stay in registers only if their arrays are gone before the compiler looks at the loops.
#define QSWEEP_UNROLL _Pragma("GCC unroll 32")

namespace qsweep::detail {
namespace {

using Byte = std::uint8_t;
/// Not __m512i: GCC would copy the sums at every product, from that type and back.
using Sums = std::int32_t __attribute__((vector_size(64)));
using Floats = float __attribute__((vector_size(64)));

constexpr int kChannels = static_cast<int>(kWindowChannels);
constexpr int kVector = kChannels * static_cast<int>(kWindowBytes);
constexpr int kSums = 16;
constexpr int kWindows = 8;         // as many addresses as there are registers for
constexpr __mmask16 kAll = 0xFFFF;  // GCC 12 warns of its own header in intrinsics without a mask

inline __m512i four_bytes(const Byte* place) {
  std::int32_t four;
  __builtin_memcpy(&four, place, sizeof four);
  return _mm512_set1_epi32(four);
}

/// What is added up: a step multiplies four bytes of a window by a vector of weights.
struct CodeProducts {
  using Sum = Sums;
  static inline Sum first(const WindowConvolution& c, std::int64_t channel) {
    return (Sum)_mm512_loadu_si512(static_cast<const std::int32_t*>(c.bias) + channel);
  }
  static inline void add(Sum& sum, __m512i codes, __m512i weight) {
    sum = (Sum)_mm512_dpbusd_epi32((__m512i)sum, codes, weight);
  }
  static inline Floats last(const WindowConvolution& c, std::int64_t channel) {
    return (Floats)_mm512_loadu_ps(c.scale + channel);
  }
  static inline Floats result(Sum sum, Floats scale) {
    return __builtin_convertvector(sum, Floats) * scale;
  }
};
struct FloatProducts {
  using Sum = Floats;
  // The bias comes last: sums that start with it lose more bits.
  static inline Sum first(const WindowConvolution&, std::int64_t) { return Sum{}; }
  static inline void add(Sum& sum, __m512i value, __m512i weight) {
    sum = (Sum)_mm512_fmadd_ps((__m512)value, (__m512)weight, (__m512)sum);
  }
  static inline Floats last(const WindowConvolution& c, std::int64_t channel) {
    return (Floats)_mm512_loadu_ps(static_cast<const float*>(c.bias) + channel);
  }
  static inline Floats result(Sum sum, Floats bias) { return sum + bias; }
};

// The loops over steps stand by themselves, so that every register serves them. A sum waits for its
// last product: sixteen are under way.

/// Sums of eight windows anywhere by `kGroups` groups of outputs, [window][group].
template <class P, int kGroups>
[[gnu::noinline]] void multiply(const WindowConvolution& c,
                                const Byte* const (&window)[kWindows],
                                std::int64_t channel,
                                typename P::Sum* out) {
  typename P::Sum sum[kWindows][kGroups];
  QSWEEP_UNROLL for (int w = 0; w < kWindows; ++w) {
    QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) {
      sum[w][g] = P::first(c, channel + g * kChannels);
    }
  }
  const std::int64_t group = c.steps * kVector;  // bytes from one to the next
  const Byte* weight = static_cast<const Byte*>(c.weight) + channel / kChannels * group;
  const std::int32_t* distance = c.distance;
  const std::int32_t* const end = distance + c.steps;
  do {
    __m512i line[kGroups];
    QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) {
      line[g] = _mm512_loadu_si512(weight + g * group);
    }
    weight += kVector;
    QSWEEP_UNROLL for (int w = 0; w < kWindows; ++w) {
      const __m512i four = four_bytes(window[w] + *distance);
      QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) {
        P::add(sum[w][g], four, line[g]);
      }
    }
  } while (++distance < end);
  QSWEEP_UNROLL for (int w = 0; w < kWindows; ++w) {
    QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) {
      out[w * kGroups + g] = sum[w][g];
    }
  }
}

/// Sums of sixteen windows beside each other by the first group of outputs. What is read serves one
/// product for each of the `kTaps` steps that WindowConvolution::taps speaks of: with a single
/// group reading would take longer than multiplying.
template <class P, int kTaps>
[[gnu::noinline]] void multiply_beside(const WindowConvolution& c,
                                       const Byte* corner,
                                       typename P::Sum* out) {
  const Byte* window[kWindows];
  QSWEEP_UNROLL for (int w = 0; w < kWindows; ++w) {
    window[w] = corner + w * c.across;
  }
  const std::int64_t eight = kWindows * c.across;
  typename P::Sum sum[kSums];
  QSWEEP_UNROLL for (int w = 0; w < kSums; ++w) {
    sum[w] = P::first(c, 0);
  }
  const Byte* weight = static_cast<const Byte*>(c.weight);
  const std::int32_t* distance = c.distance;
  const std::int32_t* const end = distance + c.steps;
  do {
    __m512i line[kTaps];
    QSWEEP_UNROLL for (int t = 0; t < kTaps; ++t) {
      line[t] = _mm512_loadu_si512(weight + t * kVector);
    }
    weight += kTaps * kVector;
    QSWEEP_UNROLL for (int w = 0; w < kSums + kTaps - 1; ++w) {
      const std::int64_t place = *distance + w / kWindows * eight;
      const __m512i four = four_bytes(window[w % kWindows] + place);
      QSWEEP_UNROLL for (int t = 0; t < kTaps; ++t) {
        if (w - t >= 0 && w - t < kSums) P::add(sum[w - t], four, line[t]);
      }
    }
    distance += kTaps;
  } while (distance < end);
  QSWEEP_UNROLL for (int w = 0; w < kSums; ++w) {
    out[w] = sum[w];
  }
}

/// Corners of a picture's windows, one row of them after the other.
class Windows {
 public:
  Windows(const WindowConvolution& c, const Byte* picture)
      : lines_(c.height), width_(c.width), down_(c.down), across_(c.across), row_(picture) {}

  /// The next eight; the first of them again where there are no more.
  inline void take(const Byte* (&window)[kWindows]) {
    if (column_ + kWindows <= width_) {
      for (int w = 0; w < kWindows; ++w) window[w] = corner_ + w * across_;
      advance(kWindows);
    } else {
      for (const Byte*& each : window) {
        each = lines_ > 0 ? corner_ : window[0];
        advance(1);
      }
    }
  }

 private:
  inline void advance(std::int64_t count) {
    column_ += count;
    corner_ += count * across_;
    if (column_ < width_) return;
    column_ = 0;
    corner_ = row_ += down_;
    --lines_;
  }

  std::int64_t lines_, width_, down_, across_, column_ = 0;
  const Byte* row_;
  const Byte* corner_ = row_;
};

/// store(place, sixteen results before the epilogue) for each sum: of `count` windows from `first`
/// on, by the groups of outputs from `channel` on.
template <class P, int kGroups, class Store>
inline void each_result(const WindowConvolution& c,
                        const typename P::Sum* sum,
                        std::int64_t first,
                        std::int64_t count,
                        std::int64_t channel,
                        const Store& store) {
  Floats last[kGroups];
  for (int g = 0; g < kGroups; ++g) last[g] = P::last(c, channel + g * kChannels);
  const std::int64_t channels = c.channels;  // stored bytes may be anything's, c's too
  std::int64_t place = first * channels + channel;
  for (const auto* const end = sum + count * kGroups; sum < end; place += channels) {
    for (int g = 0; g < kGroups; ++g, ++sum) store(place + g * kChannels, P::result(*sum, last[g]));
  }
}

template <class P, int kGroups, class Store>
inline void each_window(const WindowConvolution& c,
                        const Byte* picture,
                        std::int64_t channel,
                        const Store store) {
  const std::int64_t count = c.height * c.width;
  Windows windows(c, picture);
  const Byte* window[kWindows];
  typename P::Sum sums[kWindows * kGroups];
  for (std::int64_t first = 0; first < count; first += kWindows) {
    windows.take(window);
    multiply<P, kGroups>(c, window, channel, sums);
    const std::int64_t left = count - first;
    each_result<P, kGroups>(c, sums, first, left < kWindows ? left : kWindows, channel, store);
  }
}

/// The same for the first group of outputs, where rows are made of sixteens.
template <class P, int kTaps, class Store>
inline void each_sixteen(const WindowConvolution& c, const Byte* picture, const Store store) {
  typename P::Sum sums[kSums];
  for (std::int64_t row = 0; row < c.height; ++row) {
    for (std::int64_t column = 0; column < c.width; column += kSums) {
      multiply_beside<P, kTaps>(c, picture + row * c.down + column * c.across, sums);
      each_result<P, 1>(c, sums, row * c.width + column, kSums, 0, store);
    }
  }
}

/// Groups of outputs by threes, which read least for each product, and by twos; a single one only
/// where there is no other.
template <class P, class Store>
inline void convolve(const WindowConvolution& c, const Byte* picture, const Store& store) {
  const std::int64_t groups = c.channels / kChannels;
  if (groups == 1) {
    if (c.width % kSums != 0) {
      each_window<P, 1>(c, picture, 0, store);
    } else if (c.taps == 3) {
      each_sixteen<P, 3>(c, picture, store);
    } else {
      each_sixteen<P, 1>(c, picture, store);
    }
    return;
  }
  for (std::int64_t group = 0; group < groups;) {
    const std::int64_t left = groups - group;
    if (left == 2 || left == 4) {
      each_window<P, 2>(c, picture, group * kChannels, store);
      group += 2;
    } else {
      each_window<P, 3>(c, picture, group * kChannels, store);
      group += 3;
    }
  }
}

/// Fills `count` bytes, and some behind them that are still to be written.
inline Byte* fill(Byte* out, std::int64_t count, __m512i codes) {
  for (std::int64_t i = 0; i < count; i += 64) _mm512_storeu_si512(out + i, codes);
  return out + count;
}

void pad(const WindowPadding& p,
         const Byte* picture,
         std::int64_t first,
         std::int64_t lines,
         Byte* out) {
  const __m512i outside = _mm512_set1_epi8(static_cast<char>(p.outside));
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(p.flip));
  for (std::int64_t l = first; l < first + lines; ++l) {
    if (l < 0 || l >= p.lines) {
      out = fill(out, p.before + p.line + p.behind, outside);
      continue;
    }
    out = fill(out, p.before, outside);
    const Byte* in = picture + l * p.line;
    for (std::int64_t i = 0; i < p.line; i += 64) {
      const std::int64_t left = p.line - i;
      const __mmask64 has = left < 64 ? (__mmask64{1} << left) - 1 : ~__mmask64{0};
      const __m512i codes = _mm512_maskz_loadu_epi8(has, in + i);
      _mm512_storeu_si512(out + i, _mm512_xor_si512(codes, flip));
    }
    out = fill(out + p.line, p.behind, outside);
  }
}

template <class P, bool kAdd, bool kRelu>
void convolve_to(float* out, const WindowConvolution& c, const Byte* picture) {
  const float* residual = c.residual;
  convolve<P>(c, picture, [=](std::int64_t place, Floats y) {
    if constexpr (kAdd) y += (Floats)_mm512_loadu_ps(residual + place);
    if constexpr (kRelu) y = (Floats)_mm512_maskz_max_ps(kAll, y, _mm512_setzero_ps());
    _mm512_storeu_ps(out + place, y);
  });
}

template <class P>
void convolve_to_values(const WindowConvolution& c, const Byte* picture, float* out) {
  if (c.residual) {
    (c.relu ? convolve_to<P, true, true> : convolve_to<P, true, false>)(out, c, picture);
  } else {
    (c.relu ? convolve_to<P, false, true> : convolve_to<P, false, false>)(out, c, picture);
  }
}

void convolve_to_codes(const WindowConvolution& c,
                       const WindowCodes& codes,
                       const Byte* picture,
                       Byte* out) {
  const bool clips = c.relu && codes.low < 0.0f;  // y and y / divisor have the same sign
  const __m512 low = _mm512_set1_ps(clips ? 0.0f : codes.low), high = _mm512_set1_ps(codes.high);
  const __m512 divisor = _mm512_set1_ps(codes.divisor);
  const __m512i zero_point = _mm512_set1_epi32(codes.zero_point);
  convolve<CodeProducts>(c, picture, [=](std::int64_t place, Floats y) {
    const __m512 quotient = _mm512_maskz_max_ps(kAll, y / divisor, low);
    const __m512i code = _mm512_maskz_cvtps_epi32(kAll, _mm512_maskz_min_ps(kAll, quotient, high));
    const __m512i shifted = (__m512i)((Sums)code + (Sums)zero_point);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + place),
                     _mm512_maskz_cvtepi32_epi8(kAll, shifted));
  });
}

}  // namespace

const WindowSteps kWindowAvx512 = {pad, convolve_to_values<CodeProducts>, convolve_to_codes,
                                   convolve_to_values<FloatProducts>};

}  // namespace qsweep::detail
