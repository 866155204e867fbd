#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/base/bytes.h"

namespace qsweep {

class FileSystem;  // io/fs/file_system.h

/// Append-only, checksummed record of finished work; the source of truth of a run (layout:
/// FORMATS.md). A record is on disk whole or not at all: a torn tail is cut at opening, damage
/// before the tail is an error. One writer; a lock file names it. Not thread-safe.
class Journal {
 public:
  struct Record {
    std::uint8_t kind = 0;
    std::string key;  ///< what it answers: a task's content hash
    Bytes payload{};
  };

  /// Opens or creates `path`. `header` says what the records are about; that of an existing journal
  /// is given to `check`, which throws when it is not what the caller will add to. Existing records
  /// are passed to `replay` in order.
  static std::unique_ptr<Journal> open(FileSystem& files,
                                       const std::filesystem::path& path,
                                       const std::string& header,
                                       const std::function<void(const std::string&)>& check,
                                       const std::function<void(const Record&)>& replay);
  /// Reads the records of a finished or running journal without opening it for writing.
  static void read(FileSystem& files,
                   const std::filesystem::path& path,
                   const std::function<void(const Record&)>& replay,
                   std::string* header = nullptr);

  virtual ~Journal() = default;
  /// Durable after the next sync(), which happens by itself at least once a second while appending.
  virtual void append(const Record& record) = 0;
  virtual void sync() = 0;
};

}  // namespace qsweep
