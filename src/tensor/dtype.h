#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qsweep {

/// Element types. Four-bit types are held one value to a byte; they are packed only in files.
enum class DType : std::uint8_t {
  f32,
  f64,
  f16,
  bf16,
  f8e4m3fn,
  f8e5m2,
  f4e2m1,
  i8,
  u8,
  i4,
  u4,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  boolean,
};

/// Bytes of one element in memory.
[[nodiscard]] std::size_t element_bytes(DType dtype);
/// Bits of one element as stored in a packed file or on a device (i4 = 4).
[[nodiscard]] int stored_bits(DType dtype);
/// Name used in files and messages: `float32`, `int4`, `float8e4m3fn`.
[[nodiscard]] std::string_view name_of(DType dtype);
[[nodiscard]] bool is_integer(DType dtype);
[[nodiscard]] bool is_float(DType dtype);

}  // namespace qsweep
