#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "src/base/hash.h"

namespace qsweep::detail {

/// Tensor elements that a model keeps in files of its own. Only regular files below the model's
/// folder are read: absolute names, names that leave the folder and links that lead out of it are
/// refused.
class ExternalData {
 public:
  /// @param folder of the model file, symbolic links resolved; empty: there is none, all is refused
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// One tensor's place: `offset` and `length` bytes of the file `location`.
  struct Range {
    std::string location;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };

  /// Throws Error(corrupt_input) unless the range lies in a readable file of the folder. Call
  /// before allocating for it.
  void check(const Range& range, const std::string& where) const;
  /// Fills `into` (of range.length bytes) from a range that passed check().
  void read(const Range& range, std::span<std::byte> into, const std::string& where);

  /// SHA-256 of everything read, in order; empty when nothing was.
  [[nodiscard]] std::string digest();

 private:
  [[nodiscard]] std::filesystem::path resolve(const std::string& location,
                                              const std::string& where) const;

  std::filesystem::path folder_;
  Sha256 sha_;
  bool used_ = false;
};

}  // namespace qsweep::detail
