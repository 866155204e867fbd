#pragma once

#include <cstdint>

namespace qsweep {

/// out[c * out_stride + r] = in[r * in_stride + c]: a matrix turned over. Strides in elements, of
/// 1, 2, 4 or 8 bytes. In blocks that read and write whole cache lines; 4-byte elements by vector
/// shuffles.
template <class T>
void transpose_plane(const T* in,
                     std::int64_t in_stride,
                     T* out,
                     std::int64_t out_stride,
                     std::int64_t rows,
                     std::int64_t columns);

}  // namespace qsweep
