#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "io/journal/journal.h"

#include "sweep/run/records.h"

namespace qsweep {

/// The finished work of a run, by kind and key: an index over the journal, or memory alone for
/// commands that leave nothing behind. A record counts only once it is in the journal.
class RecordStore {
 public:
  RecordStore() = default;  ///< memory only
  /// Opens or creates the journal; what it holds is here at once.
  RecordStore(FileSystem& files,
              const std::filesystem::path& journal,
              const std::string& fingerprint);
  /// Reads a journal that this process will not extend (reports of finished runs).
  static RecordStore read_only(FileSystem& files,
                               const std::filesystem::path& journal,
                               std::string* fingerprint);

  [[nodiscard]] const Bytes* find(RecordKind kind, std::string_view key) const;
  void put(RecordKind kind, std::string key, Bytes payload);
  void sync();
  [[nodiscard]] std::size_t size() const { return records_.size(); }

 private:
  std::unique_ptr<Journal> journal_;
  std::map<std::pair<RecordKind, std::string>, Bytes, std::less<>> records_;
};

}  // namespace qsweep
