#include "io/journal/journal.h"

#include <csignal>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/error.h"

#include "io/fs/file_system.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;
using testing::error_text;
using testing::read_file;

Journal::Record record(int i) {
  const std::string text =
      fmt::format("payload {} {}", i, std::string(static_cast<std::size_t>(i), '.'));
  const ByteView bytes = as_bytes(text);
  return {.kind = static_cast<std::uint8_t>(i),
          .key = fmt::format("key{}", i),
          .payload = Bytes(bytes.begin(), bytes.end())};
}

class JournalTest : public ::testing::Test {
 protected:
  std::unique_ptr<Journal> open(const std::string& header = "model data") {
    replayed_.clear();
    const auto check = [&](const std::string& found) {
      if (found != header) throw Error(ErrorCode::mismatch, found + " is not " + header);
    };
    return Journal::open(files_, path_, header, check,
                         [&](const Journal::Record& r) { replayed_.push_back(r); });
  }
  void write(int records) {
    const auto journal = open();
    for (int i = 0; i < records; ++i) journal->append(record(i));
  }
  /// The first `n` records, exactly.
  void expect_replayed(std::size_t n) {
    ASSERT_EQ(replayed_.size(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const Journal::Record expected = record(static_cast<int>(i));
      EXPECT_EQ(replayed_[i].kind, expected.kind);
      EXPECT_EQ(replayed_[i].key, expected.key);
      EXPECT_EQ(replayed_[i].payload, expected.payload);
    }
  }
  void overwrite(std::string_view bytes) { dir_.write("journal.qsj", bytes); }

  testing::TempDir dir_;
  fs::path path_ = dir_.path() / "journal.qsj";
  FileSystem& files_ = real_file_system();
  std::vector<Journal::Record> replayed_;
};

TEST_F(JournalTest, records_come_back_in_order_and_can_be_added_to) {
  write(3);
  {
    const auto journal = open();
    expect_replayed(3);
    journal->append(record(3));
    journal->sync();
  }
  open();
  expect_replayed(4);
}

TEST_F(JournalTest, a_running_journal_can_be_read) {
  const auto journal = open();
  for (int i = 0; i < 5; ++i) journal->append(record(i));
  std::string header;
  Journal::read(
      files_, path_, [&](const Journal::Record& r) { replayed_.push_back(r); }, &header);
  expect_replayed(5);
  EXPECT_EQ(header, "model data");
}

TEST_F(JournalTest, the_layout_is_the_one_in_formats_md) {
  {
    const auto journal = open("fp");
    journal->append({.kind = 2, .key = "k", .payload = Bytes{std::byte{0xAB}}});
  }
  std::string hex;
  for (const std::byte b : files_.read(path_))
    hex += fmt::format("{:02x}", std::to_integer<int>(b));
  EXPECT_EQ(hex,
            "5153520a"
            "0e000000"
            "7ce8e42c"
            "51534a"
            "02"
            "0200000000000000"
            "6670"
            "5153520a"
            "13000000"
            "70b18617"
            "02"
            "0100000000000000"
            "6b"
            "0100000000000000"
            "ab");
}

TEST_F(JournalTest, cut_at_any_byte_it_keeps_every_whole_record_and_goes_on) {
  std::vector<std::size_t> ends;  // of the header and of each record
  {
    const auto journal = open();
    ends.push_back(fs::file_size(path_));
    for (int i = 0; i < 3; ++i) {
      journal->append(record(i));
      ends.push_back(fs::file_size(path_));
    }
  }
  const std::string whole = read_file(path_);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    SCOPED_TRACE(fmt::format("cut at {}", cut));
    overwrite(std::string_view(whole).substr(0, cut));
    std::size_t kept = 0;
    while (kept < 3 && ends[kept + 1] <= cut) ++kept;
    {
      const auto journal = open();
      expect_replayed(kept);
      journal->append(record(static_cast<int>(kept)));
    }
    open();
    expect_replayed(kept + 1);
    if (HasFailure()) return;
  }
}

TEST_F(JournalTest, a_flipped_bit_anywhere_is_refused_or_costs_only_the_last_record) {
  write(5);
  const std::string whole = read_file(path_);
  const std::size_t last = whole.rfind("QSR\n");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      SCOPED_TRACE(fmt::format("bit {} of byte {}", bit, at));
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      overwrite(damaged);
      if (at < last) {
        try {
          open();
          FAIL() << "no error";
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), ErrorCode::corrupt_input);
        }
        EXPECT_EQ(read_file(path_), damaged) << "a refused journal must stay as it is";
      } else {
        open();
        expect_replayed(4);
      }
      if (HasFailure()) return;
    }
  }
}

TEST_F(JournalTest, damage_names_its_place_and_a_way_out) {
  write(3);
  std::string damaged = read_file(path_);
  const std::size_t second = damaged.find("QSR\n", damaged.find("QSR\n", 4) + 4);
  damaged[second + 20] ^= 1;
  overwrite(damaged);
  EXPECT_EQ(error_text<Error>([&] { open(); }),
            fmt::format("the journal is damaged at byte {} [{}]. Restore it from a copy, or delete "
                        "the run directory and start again.",
                        second, path_.string()));
}

TEST_F(JournalTest, zeros_that_a_crashed_system_left_at_the_end_are_dropped) {
  write(3);
  overwrite(read_file(path_) + std::string(5000, '\0'));
  open();
  expect_replayed(3);
  open();
  expect_replayed(3);
}

TEST_F(JournalTest, a_header_that_the_caller_refuses_changes_nothing) {
  write(2);
  const std::string before = read_file(path_);
  try {
    open("other model");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "model data is not other model");
  }
  EXPECT_EQ(read_file(path_), before);
  open();
  expect_replayed(2);
}

TEST_F(JournalTest, files_that_are_no_journal_are_refused) {
  for (const std::string text :
       {"hello, world, this is a longer text than a header", "QSR\n", "{}"}) {
    overwrite(text);
    if (text == "QSR\n") {
      open();  // the beginning of a journal: nothing is lost by starting it again
      expect_replayed(0);
    } else {
      EXPECT_THROW(open(), Error) << text;
      EXPECT_EQ(read_file(path_), text);
    }
  }
}

TEST_F(JournalTest, a_second_writer_is_told_who_works_here) {
  const auto first = open();
  const std::string text = error_text<Error>([&] { open(); });
  EXPECT_NE(text.find(fmt::format("another qsweep is working in this run directory (process {} on ",
                                  ::getpid())),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("Wait for it, stop it, or choose another --out"), std::string::npos) << text;
}

TEST_F(JournalTest, killed_processes_lock_nobody_out_and_lose_no_finished_append) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto journal = Journal::open(
        files_, path_, "model data", [](const std::string&) {}, [](const Journal::Record&) {});
    for (int i = 0; i < 4; ++i) journal->append(record(i));
    (void)!::write(ready[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THROW(open(), Error);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(ready[0]);
  ::close(ready[1]);
  open();
  expect_replayed(4);
}

TEST_F(JournalTest, large_and_empty_payloads_come_back) {
  const Bytes big(5'000'000, std::byte{7});
  {
    const auto journal = open();
    journal->append({.kind = 1, .key = "", .payload = {}});
    journal->append({.kind = 255, .key = std::string(10000, 'k'), .payload = big});
  }
  open();
  ASSERT_EQ(replayed_.size(), 2u);
  EXPECT_TRUE(replayed_[0].payload.empty());
  EXPECT_EQ(replayed_[1].payload, big);
  EXPECT_EQ(replayed_[1].key.size(), 10000u);
}

}  // namespace
}  // namespace qsweep
