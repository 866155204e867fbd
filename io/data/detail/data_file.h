#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"

namespace qsweep {

/// A data file that is read piece by piece. Kept open: a file put in its place later changes
/// nothing; one that is written to or cut short is noticed. Reading is thread-safe. Movable.
class DataFile {
 public:
  /// @throws Error(not_found) without the file, Error(io) when it cannot be read,
  ///         Error(corrupt_input) when it is empty.
  explicit DataFile(std::filesystem::path path);
  ~DataFile();
  DataFile(DataFile&& other) noexcept;
  DataFile& operator=(DataFile&&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Fills `to` from an offset. @throws Error(corrupt_input) when the file is no longer what was
  /// opened, Error(io)
  void read(std::uint64_t offset, std::span<std::byte> to) const;
  /// All of it.
  [[nodiscard]] Bytes contents() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::timespec written_{};
};

/// Any number of files, each opened only to be read. A file's contents are the same each time, or
/// an error. Thread-safe once all are added.
class FileSet {
 public:
  void add(std::string path);
  [[nodiscard]] std::size_t size() const { return paths_.size(); }
  [[nodiscard]] const std::string& path(std::size_t file) const { return paths_.at(file); }
  /// @throws as DataFile(), and Error(corrupt_input) when the file has changed since it was first
  /// read
  [[nodiscard]] Bytes read(std::size_t file) const;
  /// content_hash() of the file, which is read unless it was before.
  [[nodiscard]] std::uint64_t hash(std::size_t file) const;

 private:
  std::vector<std::string> paths_;
  mutable std::vector<std::uint64_t> hashes_;  ///< by file; 0: not read yet
};

/// The first 64 bits of the SHA-256.
[[nodiscard]] std::uint64_t content_hash(ByteView bytes);

}  // namespace qsweep
