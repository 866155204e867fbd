#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/bytes.h"

namespace qsweep {

/// A file open for appending.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  virtual void append(
      ByteView bytes) = 0;  ///< all or Error(io); a failed append may leave a torn tail
  virtual void sync() = 0;  ///< fsync
};

/// The disk as qsweep uses it for everything it writes (HDF5 aside); tests break it on purpose.
/// All failures are Error(io) with the path and the system's reason; a full disk says so.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  [[nodiscard]] virtual bool exists(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual Bytes read(const std::filesystem::path& path) = 0;
  virtual void create_directories(const std::filesystem::path& path) = 0;
  /// Written beside, synced, renamed over `path`, directory synced: readers see the old or the new
  /// file.
  virtual void replace(const std::filesystem::path& path, ByteView contents) = 0;
  virtual std::unique_ptr<AppendFile> open_append(const std::filesystem::path& path) = 0;
  virtual void truncate(const std::filesystem::path& path, std::uint64_t size) = 0;
  virtual void remove(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual std::uint64_t free_bytes(const std::filesystem::path& path) = 0;

  void replace(const std::filesystem::path& path, std::string_view text) {
    replace(path, as_bytes(text));
  }
};

[[nodiscard]] FileSystem& real_file_system();

}  // namespace qsweep
