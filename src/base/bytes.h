#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qsweep {

/// A byte string: a message, a record, a file's contents.
using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

/// Appends fixed-width little-endian values and length-prefixed strings to a byte string.
/// The one encoding of everything qsweep sends between ranks or keeps in its journal.
class ByteWriter {
 public:
  void u8(std::uint8_t v);
  void u32(std::uint32_t v);
  void u64(std::uint64_t v);
  void i64(std::int64_t v);
  void f32(float v);
  void f64(double v);
  void str(std::string_view v);  ///< u64 length, bytes
  void blob(ByteView v);         ///< u64 length, bytes
  void raw(ByteView v);          ///< bytes only
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

/// Reads what ByteWriter wrote. Every read is bounds-checked: a short or over-long field throws
/// Error(corrupt_input) with `what` as the place, and never allocates more than the input holds.
class ByteReader {
 public:
  ByteReader(ByteView bytes, std::string what);
  std::uint8_t u8();
  std::uint32_t u32();
  std::uint64_t u64();
  std::int64_t i64();
  float f32();
  double f64();
  std::string str();
  ByteView blob();
  ByteView raw(std::size_t n);
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - at_; }
  /// Throws unless everything was read.
  void finish() const;

 private:
  ByteView bytes_;
  std::string what_;
  std::size_t at_ = 0;
};

[[nodiscard]] ByteView as_bytes(std::string_view text);
[[nodiscard]] std::string_view as_text(ByteView bytes);

}  // namespace qsweep
