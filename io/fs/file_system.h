#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
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

/// A file and what it is to hold.
struct NewFile {
  std::filesystem::path path;
  ByteView contents;
};

/// The disk as qsweep uses it for everything it writes; tests break it on purpose. All failures are
/// Error(io) with the path as it was given and the system's reason; a full disk says so.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// @throws Error(io) where that cannot be told: no permission, links in a loop, too long a name
  [[nodiscard]] virtual bool exists(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual Bytes read(const std::filesystem::path& path) = 0;
  virtual void create_directories(const std::filesystem::path& path) = 0;
  /// Files that belong together. All of them are written beside their places and synced before the
  /// first is renamed into its place: a disk that is full leaves the old ones, and readers see an
  /// old or a new file, never a part. Nothing else is left behind by a failure.
  ///
  /// A symbolic link is followed, and stays. A device, a FIFO and an open descriptor (/dev/stdout)
  /// are written to. Owner (where we may) and permissions of a file that was there are kept.
  virtual void replace(std::span<const NewFile> files) = 0;
  /// Finds out before the work what replace() of this path would fail with.
  virtual void check_replace(const std::filesystem::path& path) = 0;
  /// The same for create_directories() and files inside.
  virtual void check_create_directories(const std::filesystem::path& path) = 0;
  virtual std::unique_ptr<AppendFile> open_append(const std::filesystem::path& path) = 0;
  virtual void truncate(const std::filesystem::path& path, std::uint64_t size) = 0;
  virtual void remove(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual std::uint64_t free_bytes(const std::filesystem::path& path) = 0;

  void replace(const std::filesystem::path& path, ByteView contents) {
    const NewFile file{path, contents};
    replace(std::span(&file, 1));
  }
  void replace(const std::filesystem::path& path, std::string_view text) {
    replace(path, as_bytes(text));
  }
};

[[nodiscard]] FileSystem& real_file_system();

}  // namespace qsweep
