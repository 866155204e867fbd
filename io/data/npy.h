#pragma once

#include <filesystem>
#include <string>

#include "src/base/bytes.h"

#include "src/tensor/tensor.h"

namespace qsweep {

/// A NumPy array file, looked at in place. Spec: numpy.lib.format, versions 1.0 to 3.0, C order,
/// little-endian float16/32/64, signed and unsigned integers of 1 to 8 bytes, bool.
struct NpyView {
  DType dtype = DType::f32;
  Shape shape;
  ByteView data;  ///< the elements, row_major; not necessarily aligned
};

/// @param where the file, for errors
/// @throws Error(corrupt_input) when the bytes are not exactly one such array; Error(unsupported)
/// on Fortran
///         order, big-endian or other types. Allocates no more than the header's size.
[[nodiscard]] NpyView parse_npy(ByteView bytes, const std::string& where);

/// @throws as parse_npy(), and Error(io).
[[nodiscard]] Tensor read_npy(const std::filesystem::path& path);

/// Writes version 1.0, row_major, replacing the file atomically. Four-bit integers are written one
/// to a byte. @throws Error(unsupported) on types NumPy lacks (bfloat16, float8, float4);
/// Error(io).
void write_npy(const std::filesystem::path& path, const Tensor& tensor);

}  // namespace qsweep
