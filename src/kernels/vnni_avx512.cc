// Compiled for instructions that the CPU may not have. Nothing inline from elsewhere may be used
// here: the linker could keep this build of it for the whole program.

#include <immintrin.h>

#include "src/kernels/detail/vnni_steps.h"

// Sums stay in registers only if their arrays are gone before the compiler looks at the loops.
#define QSWEEP_UNROLL _Pragma("GCC unroll 16")

namespace qsweep::detail {
namespace {

using Byte = std::uint8_t;
/// Not __m512i: GCC would copy the sums at every product, from that type and back.
using Sums = std::int32_t __attribute__((vector_size(64)));
using Floats = float __attribute__((vector_size(64)));

constexpr int kChannels = static_cast<int>(kVnniChannels);
constexpr int kSums = 16;
constexpr int kWindows = 8;         // as many addresses as there are registers for
constexpr __mmask16 kAll = 0xFFFF;  // GCC 12 warns of its own header in intrinsics without a mask

/// Sums of `kSets` times eight windows by `kGroups` groups of outputs, [window][group]. Sixteen are
/// under way, since each waits for its last product. The windows of the second set are `further`
/// bytes from those of the first. By itself, so that every register serves this loop.
template <int kSets, int kGroups>
[[gnu::noinline]] void multiply(const VnniConvolution& c,
                                const Byte* const (&window)[kWindows],
                                std::int64_t further,
                                std::int64_t channel,
                                Sums* out) {
  Sums sum[kSets * kWindows][kGroups];
  QSWEEP_UNROLL for (int w = 0; w < kSets * kWindows; ++w) {
    QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) sum[w][g] =
        (Sums)_mm512_loadu_si512(c.bias + channel + g * kChannels);
  }
  const std::int8_t* weight = c.weight + channel * c.steps * kVnniBytes;
  const std::int32_t* distance = c.distance;
  const std::int32_t* const end = distance + c.steps;
  do {
    __m512i line[kGroups];
    QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) line[g] =
        _mm512_loadu_si512(weight + g * kChannels * kVnniBytes);
    weight += kGroups * kChannels * kVnniBytes;
    QSWEEP_UNROLL for (int s = 0; s < kSets; ++s) {
      const std::int64_t place = *distance + s * further;
      QSWEEP_UNROLL for (int w = 0; w < kWindows; ++w) {
        std::int32_t four;
        __builtin_memcpy(&four, window[w] + place, sizeof four);
        const __m512i codes = _mm512_set1_epi32(four);
        QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) {
          Sums& to = sum[s * kWindows + w][g];
          to = (Sums)_mm512_dpbusd_epi32((__m512i)to, codes, line[g]);
        }
      }
    }
  } while (++distance < end);
  QSWEEP_UNROLL for (int w = 0; w < kSets * kWindows; ++w) {
    QSWEEP_UNROLL for (int g = 0; g < kGroups; ++g) out[w * kGroups + g] = sum[w][g];
  }
}

/// Corners of a picture's windows, one row of them after the other.
class Windows {
 public:
  Windows(const VnniConvolution& c, const Byte* picture)
      : lines_(c.height), width_(c.width), down_(c.down), across_(c.across), row_(picture) {}

  inline const Byte* next() const { return corner_; }

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

/// Results of all windows for the groups of outputs from `channel` on, before the epilogue:
/// store(place, sixteen of them).
template <int kGroups, class Store>
inline void each_window(const VnniConvolution& c,
                        const Byte* picture,
                        std::int64_t channel,
                        const Store store) {
  // Copies, for the compiler has to think that stored bytes may be anything's.
  const std::int64_t count = c.height * c.width, channels = c.channels;
  const bool straddles = c.width % kWindows != 0;
  Floats scale[kGroups];
  for (int g = 0; g < kGroups; ++g)
    scale[g] = (Floats)_mm512_loadu_ps(c.scale + channel + g * kChannels);
  Windows windows(c, picture);
  const Byte* window[kWindows];
  Sums sums[kSums];
  for (std::int64_t first = 0; first < count;) {
    windows.take(window);
    std::int64_t end = first + kWindows;
    // One group leaves registers for a second set of windows. Where eight never straddle two rows,
    // all of it is as far from the first.
    if (kGroups == 1 && !straddles && end < count) {
      multiply<2, kGroups>(c, window, windows.next() - window[0], channel, sums);
      windows.take(window);
      end += kWindows;
    } else {
      multiply<1, kGroups>(c, window, 0, channel, sums);
    }
    if (end > count) end = count;
    for (const Sums* sum = sums; first < end; ++first) {
      for (int g = 0; g < kGroups; ++g, ++sum) {
        store(first * channels + channel + g * kChannels,
              __builtin_convertvector(*sum, Floats) * scale[g]);
      }
    }
  }
}

template <class Store>
inline void each_result(const VnniConvolution& c, const Byte* picture, const Store& store) {
  std::int64_t channel = 0;
  for (; channel + 2 * kChannels <= c.channels; channel += 2 * kChannels)
    each_window<2>(c, picture, channel, store);
  if (channel < c.channels) each_window<1>(c, picture, channel, store);
}

/// Fills `count` bytes, and some behind them that are still to be written.
inline Byte* fill(Byte* out, std::int64_t count, __m512i codes) {
  for (std::int64_t i = 0; i < count; i += 64) _mm512_storeu_si512(out + i, codes);
  return out + count;
}

}  // namespace

void vnni_pad(const VnniPadding& p, const Byte* picture, Byte* padded) {
  const __m512i outside = _mm512_set1_epi8(static_cast<char>(p.outside));
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(p.flip));
  Byte* out = fill(padded, p.ahead, outside);
  for (std::int64_t l = 0; l < p.lines; ++l) {
    for (std::int64_t i = 0; i < p.line; i += 64) {
      const std::int64_t left = p.line - i;
      const __mmask64 has = left < 64 ? (__mmask64{1} << left) - 1 : ~__mmask64{0};
      const __m512i codes = _mm512_maskz_loadu_epi8(has, picture + i);
      _mm512_storeu_si512(out + i, _mm512_xor_si512(codes, flip));
    }
    picture += p.line;
    out = fill(out + p.line, l + 1 < p.lines ? p.between : p.behind, outside);
  }
}

void vnni_convolve(const VnniConvolution& c, const Byte* picture, float* out) {
  const __m512 low = _mm512_set1_ps(c.relu ? 0.0f : -__builtin_inff());
  each_result(c, picture, [=](std::int64_t place, Floats y) {
    _mm512_storeu_ps(out + place, _mm512_maskz_max_ps(kAll, y, low));
  });
}

void vnni_convolve(const VnniConvolution& c,
                   const VnniCodes& codes,
                   const Byte* picture,
                   Byte* out) {
  const bool clips = c.relu && codes.low < 0.0f;  // y and y / divisor have the same sign
  const __m512 low = _mm512_set1_ps(clips ? 0.0f : codes.low), high = _mm512_set1_ps(codes.high);
  const __m512 divisor = _mm512_set1_ps(codes.divisor);
  const __m512i zero_point = _mm512_set1_epi32(codes.zero_point);
  each_result(c, picture, [=](std::int64_t place, Floats y) {
    const __m512 quotient = _mm512_maskz_max_ps(kAll, y / divisor, low);
    const __m512i code = _mm512_maskz_cvtps_epi32(kAll, _mm512_maskz_min_ps(kAll, quotient, high));
    const __m512i shifted = (__m512i)((Sums)code + (Sums)zero_point);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + place),
                     _mm512_maskz_cvtepi32_epi8(kAll, shifted));
  });
}

}  // namespace qsweep::detail
