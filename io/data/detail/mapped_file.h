#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/base/bytes.h"

namespace qsweep {

/// A file's contents, mapped read-only: the processes of a node share its pages. Movable.
class MappedFile {
 public:
  /// @throws Error(not_found) without the file, Error(io) when it cannot be read,
  ///         Error(corrupt_input) when it is empty.
  explicit MappedFile(std::filesystem::path path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] ByteView bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  ByteView bytes_;
};

/// SHA-256 over the files' bytes, one after another.
[[nodiscard]] std::string digest_of(const std::vector<MappedFile>& files);

}  // namespace qsweep
