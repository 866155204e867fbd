#pragma once

#include <cstdint>

namespace qsweep {

/// out[c * out_stride + r] = in[r * in_stride + c]: a matrix turned over. Strides in elements.
/// In blocks that read and write whole cache lines; 4-byte elements by vector shuffles.
void transpose_plane(const std::uint8_t* in,
                     std::int64_t in_stride,
                     std::uint8_t* out,
                     std::int64_t out_stride,
                     std::int64_t rows,
                     std::int64_t columns);
void transpose_plane(const std::uint16_t* in,
                     std::int64_t in_stride,
                     std::uint16_t* out,
                     std::int64_t out_stride,
                     std::int64_t rows,
                     std::int64_t columns);
void transpose_plane(const std::uint32_t* in,
                     std::int64_t in_stride,
                     std::uint32_t* out,
                     std::int64_t out_stride,
                     std::int64_t rows,
                     std::int64_t columns);
void transpose_plane(const std::uint64_t* in,
                     std::int64_t in_stride,
                     std::uint64_t* out,
                     std::int64_t out_stride,
                     std::int64_t rows,
                     std::int64_t columns);

}  // namespace qsweep
