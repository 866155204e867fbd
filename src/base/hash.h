#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "src/base/bytes.h"

namespace qsweep {

/// SHA-256 (FIPS 180-4), incremental.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  Sha256& update(ByteView bytes);
  Sha256& update(std::string_view text);
  /// Lower-case hex, 64 characters. The object must not be used afterwards.
  [[nodiscard]] std::string hex();

 private:
  struct Impl;
  Impl* impl_;
};

[[nodiscard]] std::string sha256_hex(ByteView bytes);
[[nodiscard]] std::string sha256_hex(std::string_view text);
/// Of a file's contents, streamed. Throws Error(io) if it cannot be read.
[[nodiscard]] std::string sha256_file(const std::filesystem::path& path);

/// CRC-32C (Castagnoli), the journal's and the wire's checksum. `seed` continues an earlier one.
[[nodiscard]] std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

/// A fast, fixed 64-bit hash for keys in memory (never written to files).
[[nodiscard]] std::uint64_t mix64(std::uint64_t a, std::uint64_t b);

}  // namespace qsweep
