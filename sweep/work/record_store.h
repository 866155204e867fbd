#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "io/journal/journal.h"

#include "sweep/job/identity.h"
#include "sweep/work/records.h"

namespace qsweep {

class FileSystem;  // io/fs/file_system.h

/// The finished pieces of a run by kind and key: the journal's, and those put since. A record
/// counts once it is in the journal. Used by one thread.
class RecordStore {
 public:
  RecordStore() = default;  ///< memory only
  /// Opens or creates the journal of a run of this identity.
  /// @throws Error(mismatch) naming every key and digest that differs from the journal's
  RecordStore(FileSystem& files, const std::filesystem::path& journal, const Identity& identity);
  /// Reads a journal that this process will not extend. The program and machine that made it may
  /// be others. @throws as above for what its records are about
  static RecordStore read_only(FileSystem& files,
                               const std::filesystem::path& journal,
                               const Identity& identity);

  /// The same for a run that would extend it: the program and machine have to be the same too.
  static RecordStore preview(FileSystem& files,
                             const std::filesystem::path& journal,
                             const Identity& identity);

  /// Opens a journal to add what follows from neither program nor machine. @throws as read_only()
  static RecordStore amend(FileSystem& files,
                           const std::filesystem::path& journal,
                           const Identity& identity);

  [[nodiscard]] const Bytes* find(RecordKind kind, std::string_view key) const;
  /// Every record of a kind, in the order of keys.
  [[nodiscard]] std::vector<std::pair<std::string, const Bytes*>> all(RecordKind kind) const;
  void put(RecordKind kind, std::string key, Bytes payload);
  /// Forgets the records of a kind that is kept in memory only.
  void drop(RecordKind kind);
  void sync();
  [[nodiscard]] std::size_t size() const { return records_.size(); }

 private:
  static RecordStore read(FileSystem& files,
                          const std::filesystem::path& journal,
                          const Identity& identity,
                          bool extends);

  void open(FileSystem& files,
            const std::filesystem::path& journal,
            const Identity& identity,
            bool extends);

  std::unique_ptr<Journal> journal_;
  std::map<std::pair<RecordKind, std::string>, Bytes, std::less<>> records_;
};

}  // namespace qsweep
