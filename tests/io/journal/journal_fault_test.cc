#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/journal/journal.h"

#include "tests/io/temp_dir.h"
#include "tests/support/faulty_file_system.h"

namespace qsweep {
namespace {

using testing::Fault;

std::vector<std::string> keys_in(FileSystem& files, const std::filesystem::path& path) {
  std::vector<std::string> keys;
  Journal::open(
      files, path, "fp", [](const std::string&) {},
      [&](const Journal::Record& r) { keys.push_back(r.key); });
  return keys;
}

/// A run that opens its journal twice and appends ten records in all, syncing after each third.
/// It remembers what it knows to be on disk for good, what it has appended and what it tried to.
struct Attempt {
  std::vector<std::string> synced;
  std::vector<std::string> appended;
  std::vector<std::string> attempted;
  bool failed = false;

  Attempt(FileSystem& files, const std::filesystem::path& path) {
    try {
      for (int part = 0; part < 2; ++part) {
        const auto journal = Journal::open(
            files, path, "fp", [](const std::string&) {}, [](const Journal::Record&) {});
        for (int i = 0; i < 5; ++i) {
          const std::string key = fmt::format("{}.{}", part, i);
          // Counted before it is tried: a failing append or sync may yet have reached the disk.
          attempted.push_back(key);
          journal->append({.kind = 1, .key = key, .payload = Bytes(40)});
          appended.push_back(key);
          if (i % 3 != 2) continue;
          journal->sync();
          synced = appended;
        }
        journal->sync();
        synced = appended;
      }
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::io);
      failed = true;
    }
  }
};

class JournalFaultTest : public ::testing::TestWithParam<Fault> {};

TEST_P(JournalFaultTest, whatever_operation_breaks_no_saved_record_is_lost) {
  for (int at = 1;; ++at) {
    SCOPED_TRACE(fmt::format("operation {}", at));
    const testing::TempDir dir;
    const std::filesystem::path path = dir.path() / "journal.qsj";
    testing::FaultyFileSystem faulty(real_file_system(), GetParam(), at);
    const Attempt run(faulty, path);
    EXPECT_EQ(run.failed, faulty.has_broken());
    // The next run finds a prefix of what was written, with all that was promised.
    const std::vector<std::string> found = keys_in(real_file_system(), path);
    ASSERT_LE(found.size(), run.attempted.size());
    EXPECT_TRUE(std::equal(found.begin(), found.end(), run.attempted.begin()));
    EXPECT_GE(found.size(), run.synced.size());
    EXPECT_TRUE(GetParam() == Fault::power_cut || found.size() >= run.appended.size());
    if (!run.failed) {
      EXPECT_EQ(found.size(), 10u);
      EXPECT_GT(at, 15);  // the run has about that many operations; all were tried
      break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Faults,
                         JournalFaultTest,
                         ::testing::Values(Fault::fails, Fault::shortens, Fault::power_cut));

TEST(JournalAfterFaultTest, nothing_is_appended_behind_a_torn_record) {
  const testing::TempDir dir;
  const std::filesystem::path path = dir.path() / "journal.qsj";
  // Operations: replace, open_append, append, sync, append.
  testing::FaultyFileSystem faulty(real_file_system(), Fault::shortens, 5);
  const auto journal = Journal::open(
      faulty, path, "fp", [](const std::string&) {}, [](const Journal::Record&) {});
  journal->append({.kind = 1, .key = "a", .payload = {}});
  EXPECT_THROW(journal->append({.kind = 1, .key = "b", .payload = {}}), Error);
  const auto size = std::filesystem::file_size(path);
  EXPECT_EQ(testing::error_text<Error>([&] { journal->append({.kind = 1, .key = "c"}); }),
            "the journal cannot be written any more [" + path.string() +
                "]. Run the same command again to go on from what is saved.");
  EXPECT_EQ(std::filesystem::file_size(path), size);
}

}  // namespace
}  // namespace qsweep
