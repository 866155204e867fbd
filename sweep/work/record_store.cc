#include "sweep/work/record_store.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/fs/file_system.h"

namespace qsweep {
namespace {

/// Refuses records that are about something else. A reader of finished records does not ask which
/// program and machine made them.
void check_identity(const std::string& found,
                    const Identity& identity,
                    const std::filesystem::path& journal,
                    bool extends) {
  const Identity own = identity.part(IdentityUse::records);
  std::vector<Identity::Difference> differing = differences(Identity::parse(found), own);
  if (!extends) {
    Identity engine;
    add_engine(engine);
    std::erase_if(differing, [&](const Identity::Difference& d) {
      return d.name != "record_schema" &&
             std::ranges::find(engine.entries(), d.name, &Identity::Entry::name) !=
                 engine.entries().end();
    });
  }
  if (differing.empty()) return;
  throw Error(ErrorCode::mismatch,
              fmt::format("this run directory belongs to another job: {}", describe(differing)),
              journal.string(),
              extends ? "Restore what the run was started with (its run_config.yaml), or choose "
                        "another --out"
                      : "Restore the files that its run_config.yaml names, or run the job again in "
                        "a new directory");
}

}  // namespace

RecordStore::RecordStore(FileSystem& files,
                         const std::filesystem::path& journal,
                         const Identity& identity) {
  open(files, journal, identity, true);
}

RecordStore RecordStore::amend(FileSystem& files,
                               const std::filesystem::path& journal,
                               const Identity& identity) {
  RecordStore store;
  store.open(files, journal, identity, false);
  return store;
}

void RecordStore::open(FileSystem& files,
                       const std::filesystem::path& journal,
                       const Identity& identity,
                       bool extends) {
  journal_ = Journal::open(
      files, journal, identity.part(IdentityUse::records).text(),
      [&](const std::string& found) { check_identity(found, identity, journal, extends); },
      [this](const Journal::Record& r) {
        records_[{static_cast<RecordKind>(r.kind), r.key}] = r.payload;
      });
}

RecordStore RecordStore::read(FileSystem& files,
                              const std::filesystem::path& journal,
                              const Identity& identity,
                              bool extends) {
  RecordStore store;
  std::string found;
  Journal::read(
      files, journal,
      [&store](const Journal::Record& r) {
        store.records_[{static_cast<RecordKind>(r.kind), r.key}] = r.payload;
      },
      &found);
  check_identity(found, identity, journal, extends);
  return store;
}

RecordStore RecordStore::read_only(FileSystem& files,
                                   const std::filesystem::path& journal,
                                   const Identity& identity) {
  return read(files, journal, identity, false);
}

RecordStore RecordStore::preview(FileSystem& files,
                                 const std::filesystem::path& journal,
                                 const Identity& identity) {
  return read(files, journal, identity, true);
}

const Bytes* RecordStore::find(RecordKind kind, std::string_view key) const {
  const auto at = records_.find(std::pair(kind, std::string(key)));
  return at == records_.end() ? nullptr : &at->second;
}

std::vector<std::pair<std::string, const Bytes*>> RecordStore::all(RecordKind kind) const {
  std::vector<std::pair<std::string, const Bytes*>> found;
  for (auto at = records_.lower_bound(std::pair(kind, std::string()));
       at != records_.end() && at->first.first == kind; ++at)
    found.emplace_back(at->first.second, &at->second);
  return found;
}

void RecordStore::put(RecordKind kind, std::string key, Bytes payload) {
  if (journal_ && kind != RecordKind::inputs)
    journal_->append({static_cast<std::uint8_t>(kind), key, payload});
  records_[{kind, std::move(key)}] = std::move(payload);
}

void RecordStore::drop(RecordKind kind) {
  std::erase_if(records_, [kind](const auto& record) { return record.first.first == kind; });
}

void RecordStore::sync() {
  if (journal_) journal_->sync();
}

}  // namespace qsweep
