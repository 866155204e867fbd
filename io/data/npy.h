#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "src/base/bytes.h"

#include "src/tensor/tensor.h"

namespace qsweep {

/// What the head of a NumPy array file says. Spec: numpy.lib.format, versions 1.0 to 3.0: bool,
/// integers of 1 to 8 bytes, float16/32/64, of either byte order and either order of axes.
struct NpyHeader {
  DType dtype = DType::f32;
  Shape shape;
  bool is_big_endian = false;     ///< of elements of more than a byte
  bool is_fortran = false;        ///< the first axis varies fastest
  std::uint64_t data_offset = 0;  ///< of the elements in the file
  std::uint64_t elements = 0;
};

/// Bytes of a file that hold any header.
constexpr std::uint64_t kMostNpyHeader = 12 + (1 << 16);

/// @param beginning of the file: all of it, or at least kMostNpyHeader bytes
/// @param size of the file in bytes. @param where the file, for errors
/// @throws Error(corrupt_input) when the file is not exactly one such array; Error(unsupported) on
/// archives and other types. Allocates no more than the header's size.
[[nodiscard]] NpyHeader parse_npy_header(ByteView beginning,
                                         std::uint64_t size,
                                         const std::string& where);

/// Turns elements, as many as there are, to this machine's byte order.
void to_native(std::span<std::byte> elements, const NpyHeader& header);

/// The array, row_major. @throws as parse_npy_header()
[[nodiscard]] Tensor parse_npy(ByteView file, const std::string& where);

/// @throws as parse_npy(), and Error(io).
[[nodiscard]] Tensor read_npy(const std::filesystem::path& path);

/// The file of a tensor: version 1.0, row_major, four-bit integers one to a byte.
/// @param where the file, for errors
/// @throws Error(unsupported) on types NumPy lacks (bfloat16, float8, float4)
[[nodiscard]] Bytes encode_npy(const Tensor& tensor, const std::string& where);

}  // namespace qsweep
