#include "sweep/run/record_store.h"

namespace qsweep {

RecordStore::RecordStore(FileSystem& files,
                         const std::filesystem::path& journal,
                         const std::string& fingerprint) {
  journal_ = Journal::open(files, journal, fingerprint, [this](const Journal::Record& r) {
    records_[{static_cast<RecordKind>(r.kind), r.key}] = r.payload;
  });
}

RecordStore RecordStore::read_only(FileSystem& files,
                                   const std::filesystem::path& journal,
                                   std::string* fingerprint) {
  RecordStore store;
  Journal::read(
      files, journal,
      [&store](const Journal::Record& r) {
        store.records_[{static_cast<RecordKind>(r.kind), r.key}] = r.payload;
      },
      fingerprint);
  return store;
}

const Bytes* RecordStore::find(RecordKind kind, std::string_view key) const {
  const auto at = records_.find(std::pair(kind, std::string(key)));
  return at == records_.end() ? nullptr : &at->second;
}

void RecordStore::put(RecordKind kind, std::string key, Bytes payload) {
  if (journal_) journal_->append({static_cast<std::uint8_t>(kind), key, payload});
  records_[{kind, std::move(key)}] = std::move(payload);
}

void RecordStore::sync() {
  if (journal_) journal_->sync();
}

}  // namespace qsweep
