#include "src/tensor/transpose.h"

#include <algorithm>
#include <cstring>

#include "src/base/vector_clones.h"

namespace qsweep {
namespace {

/// Element by element, in square blocks.
template <class T>
void transpose_blocks(const T* in,
                      std::int64_t in_stride,
                      T* out,
                      std::int64_t out_stride,
                      std::int64_t rows,
                      std::int64_t columns) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    const std::int64_t r1 = std::min(rows, r0 + kBlock);
    for (std::int64_t c0 = 0; c0 < columns; c0 += kBlock) {
      const std::int64_t c1 = std::min(columns, c0 + kBlock);
      for (std::int64_t c = c0; c < c1; ++c) {
        for (std::int64_t r = r0; r < r1; ++r) out[c * out_stride + r] = in[r * in_stride + c];
      }
    }
  }
}

constexpr std::int64_t kSide = 8;  // of a block in registers
using Line __attribute__((vector_size(kSide * sizeof(std::uint32_t)))) = std::uint32_t;

/// A block of 8 x 8: neighbours, then pairs, then halves change places.
inline __attribute__((always_inline)) void transpose_square(const std::uint32_t* in,
                                                            std::int64_t in_stride,
                                                            std::uint32_t* out,
                                                            std::int64_t out_stride) {
  Line a[kSide], b[kSide];
  for (std::int64_t i = 0; i < kSide; ++i) std::memcpy(&a[i], in + i * in_stride, sizeof(Line));
  for (std::int64_t i = 0; i < kSide; i += 2) {
    b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (std::int64_t i = 0; i < kSide; i += 4) {
    for (std::int64_t j = i; j < i + 2; ++j) {
      a[j] = __builtin_shufflevector(b[j], b[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      a[j + 2] = __builtin_shufflevector(b[j], b[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (std::int64_t j = 0; j < kSide / 2; ++j) {
    b[j] = __builtin_shufflevector(a[j], a[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    b[j + 4] = __builtin_shufflevector(a[j], a[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (std::int64_t i = 0; i < kSide; ++i) std::memcpy(out + i * out_stride, &b[i], sizeof(Line));
}

/// Rows element by element: the few that fill no square, and columns beyond the last one.
template <std::int64_t kRows>
inline __attribute__((always_inline)) void transpose_rows(const std::uint32_t* in,
                                                          std::int64_t in_stride,
                                                          std::uint32_t* out,
                                                          std::int64_t out_stride,
                                                          std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t r = 0; r < kRows; ++r) out[c * out_stride + r] = in[r * in_stride + c];
  }
}

/// Strips of `kHeight` rows over all columns.
template <std::int64_t kHeight>
inline __attribute__((always_inline)) void transpose_strip(const std::uint32_t* in,
                                                           std::int64_t in_stride,
                                                           std::uint32_t* out,
                                                           std::int64_t out_stride,
                                                           std::int64_t columns) {
  std::int64_t c = 0;
  for (; c + kSide <= columns; c += kSide) {
    for (std::int64_t r = 0; r < kHeight; r += kSide)
      transpose_square(in + r * in_stride + c, in_stride, out + c * out_stride + r, out_stride);
  }
  transpose_rows<kHeight>(in + c, in_stride, out + c * out_stride, out_stride, columns - c);
}

QSWEEP_VECTOR_CLONES void transpose_words(const std::uint32_t* in,
                                          std::int64_t in_stride,
                                          std::uint32_t* out,
                                          std::int64_t out_stride,
                                          std::int64_t rows,
                                          std::int64_t columns) {
  std::int64_t r = 0;
  // Two squares high: a cache line of the result at once.
  for (; r + 2 * kSide <= rows; r += 2 * kSide)
    transpose_strip<2 * kSide>(in + r * in_stride, in_stride, out + r, out_stride, columns);
  if (r + kSide <= rows) {
    transpose_strip<kSide>(in + r * in_stride, in_stride, out + r, out_stride, columns);
    r += kSide;
  }
  in += r * in_stride;
  out += r;
  switch (rows - r) {
    case 1:
      return transpose_rows<1>(in, in_stride, out, out_stride, columns);
    case 2:
      return transpose_rows<2>(in, in_stride, out, out_stride, columns);
    case 3:  // the colors of a picture: a loop of its own where they end up side by side
      if (out_stride == 3) return transpose_rows<3>(in, in_stride, out, 3, columns);
      return transpose_rows<3>(in, in_stride, out, out_stride, columns);
    case 4:
      return transpose_rows<4>(in, in_stride, out, out_stride, columns);
    case 5:
      return transpose_rows<5>(in, in_stride, out, out_stride, columns);
    case 6:
      return transpose_rows<6>(in, in_stride, out, out_stride, columns);
    case 7:
      return transpose_rows<7>(in, in_stride, out, out_stride, columns);
    default:
      return;
  }
}

}  // namespace

template <class T>
void transpose_plane(const T* in,
                     std::int64_t in_stride,
                     T* out,
                     std::int64_t out_stride,
                     std::int64_t rows,
                     std::int64_t columns) {
  if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
    transpose_words(in, in_stride, out, out_stride, rows, columns);
  } else {
    transpose_blocks(in, in_stride, out, out_stride, rows, columns);
  }
}

#define QSWEEP_TRANSPOSE(T)                                                             \
  template void transpose_plane(const T*, std::int64_t, T*, std::int64_t, std::int64_t, \
                                std::int64_t)
QSWEEP_TRANSPOSE(std::uint8_t);
QSWEEP_TRANSPOSE(std::uint16_t);
QSWEEP_TRANSPOSE(std::uint32_t);
QSWEEP_TRANSPOSE(std::uint64_t);
#undef QSWEEP_TRANSPOSE

}  // namespace qsweep
