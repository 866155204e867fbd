#include "io/fs/file_system.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "src/base/error.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;
using testing::error_text;
using testing::read_file;

std::size_t count_files(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class FileSystemTest : public ::testing::Test {
 protected:
  testing::TempDir dir_;
  FileSystem& files_ = real_file_system();
};

TEST_F(FileSystemTest, replace_writes_new_files_and_whole_new_contents) {
  const fs::path file = dir_.path() / "a.txt";
  EXPECT_FALSE(files_.exists(file));
  files_.replace(file, "a long first text");
  EXPECT_TRUE(files_.exists(file));
  files_.replace(file, "short");
  EXPECT_EQ(as_text(files_.read(file)), "short");
  files_.replace(file, std::string_view());
  EXPECT_TRUE(files_.read(file).empty());
  EXPECT_EQ(count_files(dir_.path()), 1u);
}

TEST_F(FileSystemTest, appends_add_up_across_openings) {
  const fs::path file = dir_.path() / "log";
  for (const char* text : {"one ", "two ", "three"}) {
    const auto out = files_.open_append(file);
    out->append(as_bytes(text));
    out->sync();
  }
  EXPECT_EQ(read_file(file), "one two three");
  files_.truncate(file, 4);
  EXPECT_EQ(read_file(file), "one ");
}

TEST_F(FileSystemTest, directories_and_removal_may_be_repeated) {
  const fs::path deep = dir_.path() / "a" / "b";
  files_.create_directories(deep);
  files_.create_directories(deep);
  EXPECT_TRUE(fs::is_directory(deep));
  const fs::path file = dir_.write("x", "x");
  files_.remove(file);
  files_.remove(file);
  EXPECT_FALSE(files_.exists(file));
  EXPECT_GT(files_.free_bytes(dir_.path()), 0u);
}

TEST_F(FileSystemTest, errors_say_what_failed_where_and_why) {
  const fs::path missing = dir_.path() / "no" / "file";
  const std::string where = " [" + missing.string() + "]";
  EXPECT_EQ(error_text<Error>([&] { (void)files_.read(missing); }),
            "opening failed: No such file or directory" + where);
  EXPECT_EQ(error_text<Error>([&] { (void)files_.open_append(missing); }),
            "opening failed: No such file or directory" + where);
  EXPECT_EQ(error_text<Error>([&] { files_.truncate(missing, 0); }),
            "truncating failed: No such file or directory" + where);
  EXPECT_EQ(error_text<Error>([&] { (void)files_.read(dir_.path()); }),
            "not a regular file [" + dir_.path().string() + "]");
  const fs::path file = dir_.write("file", "x");
  EXPECT_EQ(error_text<Error>([&] { files_.create_directories(file / "sub"); }),
            "creating the directory failed: Not a directory [" + (file / "sub").string() + "]");
  EXPECT_THROW(files_.replace(missing, "x"), Error);
}

/// Files may not grow beyond this while it lives: the nearest thing to a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_F(FileSystemTest, a_full_disk_is_named_and_leaves_the_old_file) {
  const fs::path file = dir_.write("a.txt", "old");
  std::string text;
  {
    const FileSizeLimit limit(1000);
    text = error_text<Error>([&] { files_.replace(file, std::string(5000, 'x')); });
  }
  EXPECT_NE(text.find("writing failed: the disk is full"), std::string::npos) << text;
  EXPECT_NE(text.find("Free some space and run the same command again"), std::string::npos) << text;
  EXPECT_EQ(read_file(file), "old");
  EXPECT_EQ(count_files(dir_.path()), 1u);
}

}  // namespace
}  // namespace qsweep
