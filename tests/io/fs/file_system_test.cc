#include "io/fs/file_system.h"

#include <array>
#include <csignal>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/error.h"

#include "io/fs/outputs.h"

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

TEST_F(FileSystemTest, a_full_disk_leaves_every_file_of_a_group) {
  const fs::path first = dir_.write("a.txt", "old"), second = dir_.write("b.txt", "old");
  const std::string large(5000, 'x');
  const std::array group = {NewFile{first, as_bytes("new")}, NewFile{second, as_bytes(large)}};
  {
    const FileSizeLimit limit(1000);
    EXPECT_THROW(files_.replace(group), Error);
  }
  EXPECT_EQ(read_file(first) + read_file(second), "oldold");
  EXPECT_EQ(count_files(dir_.path()), 2u);
  files_.replace(group);
  EXPECT_EQ(read_file(first) + read_file(second), "new" + large);
  EXPECT_EQ(count_files(dir_.path()), 2u);
}

TEST_F(FileSystemTest, links_are_followed_and_stay) {
  const fs::path target = dir_.write("far/target.txt", "old");
  const fs::path link = dir_.path() / "link", to_link = dir_.path() / "to_link";
  fs::create_symlink("far/target.txt", link);
  fs::create_symlink(link, to_link);
  files_.replace(to_link, "new");
  EXPECT_TRUE(fs::is_symlink(link) && fs::is_symlink(to_link));
  EXPECT_EQ(read_file(target), "new");
  // One that leads to nothing says where the file is wanted.
  fs::create_symlink("far/new.txt", dir_.path() / "dangling");
  files_.replace(dir_.path() / "dangling", "made");
  EXPECT_TRUE(fs::is_symlink(dir_.path() / "dangling"));
  EXPECT_EQ(read_file(dir_.path() / "far" / "new.txt"), "made");
  EXPECT_EQ(count_files(dir_.path() / "far"), 2u);
  EXPECT_EQ(count_files(dir_.path()), 4u);
}

TEST_F(FileSystemTest, links_in_a_loop_are_an_error_of_every_operation) {
  const fs::path loop = dir_.path() / "loop";
  fs::create_symlink("loop", loop);
  const std::string text =
      "opening failed: Too many levels of symbolic links [" + loop.string() + "]";
  EXPECT_EQ(error_text<Error>([&] { files_.replace(loop, "x"); }), text);
  EXPECT_EQ(error_text<Error>([&] { files_.check_replace(loop); }), text);
  EXPECT_EQ(error_text<Error>([&] { (void)files_.read(loop); }), text);
  EXPECT_EQ(error_text<Error>([&] { (void)files_.exists(loop); }), text);
  EXPECT_EQ(
      error_text<Error>([&] { files_.check_create_directories(loop); }),
      "creating the directory failed: Too many levels of symbolic links [" + loop.string() + "]");
}

TEST_F(FileSystemTest, a_fifo_is_written_to_and_stays) {
  const fs::path fifo = dir_.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::string got;
  std::jthread reader([&] { got = read_file(fifo); });
  files_.check_replace(fifo);
  files_.replace(fifo, "through");
  reader.join();
  EXPECT_EQ(got, "through");
  EXPECT_TRUE(fs::is_fifo(fifo));
  EXPECT_EQ(count_files(dir_.path()), 1u);
}

TEST_F(FileSystemTest, devices_are_written_to_and_stay) {
  fs::create_symlink("/dev/null", dir_.path() / "null");
  files_.check_replace("/dev/null");
  files_.replace("/dev/null", "x");
  files_.replace(dir_.path() / "null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_EQ(
      error_text<Error>([&] { files_.replace("/dev/full", "x"); }),
      "writing failed: the disk is full [/dev/full]. Free some space and run the same command "
      "again; what is finished is kept.");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST_F(FileSystemTest, an_open_descriptor_is_written_to_where_it_stands) {
  const fs::path file = dir_.write("out", "");
  const int fd = ::open(file.c_str(), O_WRONLY);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "before ", 7), 7);
  const std::string name = std::to_string(fd);
  fs::create_symlink("/dev/fd/" + name, dir_.path() / "link");
  files_.check_replace("/dev/fd/" + name);
  files_.replace("/dev/fd/" + name, "one ");
  files_.replace("/proc/self/fd/" + name, "two ");
  files_.replace(dir_.path() / "link", "three ");
  ASSERT_EQ(::write(fd, "after", 5), 5);
  ::close(fd);
  EXPECT_EQ(read_file(file), "before one two three after");
  EXPECT_THROW(files_.check_replace("/dev/fd/" + name), Error);
}

TEST_F(FileSystemTest, permissions_of_what_was_there_are_kept_and_new_files_follow_the_umask) {
  const auto mode_of = [](const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  };
  const fs::path file = dir_.write("a", "old");
  for (const mode_t mode : {mode_t{0600}, mode_t{0666}, mode_t{0755}}) {
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    files_.replace(file, "new");
    EXPECT_EQ(mode_of(file), mode);
  }
  const mode_t before = ::umask(0027);
  files_.replace(dir_.path() / "b", "new");
  ::umask(before);
  EXPECT_EQ(mode_of(dir_.path() / "b"), 0640u);
}

TEST_F(FileSystemTest, a_name_may_be_as_long_as_names_can_be) {
  const fs::path file = dir_.path() / std::string(255, 'n');
  files_.replace(file, "x");
  EXPECT_EQ(read_file(file), "x");
  EXPECT_NE(error_text<Error>([&] { files_.replace(file.string() + "n", "x"); }).find("too long"),
            std::string::npos);
}

TEST_F(FileSystemTest, what_is_wrong_with_an_output_is_found_without_writing) {
  const fs::path file = dir_.write("file", "x");
  const fs::path folder = dir_.path() / "folder";
  fs::create_directory(folder);
  const auto text = [&](const fs::path& path) {
    const std::string found = error_text<Error>([&] { files_.check_replace(path); });
    EXPECT_EQ(found, error_text<Error>([&] { files_.replace(path, "x"); })) << path;
    return found;
  };
  const auto at = [](const fs::path& path) { return " [" + path.string() + "]"; };
  EXPECT_EQ(text(folder), "a folder is there, not a file" + at(folder) + ". Name a file.");
  EXPECT_EQ(text(folder / ""),
            "a folder is there, not a file" + at(folder / "") + ". Name a file.");
  EXPECT_EQ(text(folder / "no" / "x"),
            "its folder does not exist" + at(folder / "no" / "x") + ". Make it, or name another.");
  EXPECT_EQ(text(file / "x"), "opening failed: Not a directory" + at(file / "x"));
  EXPECT_EQ(text(""), "opening failed: No such file or directory");
  EXPECT_EQ(error_text<Error>([&] { files_.check_create_directories(file / "a" / "b"); }),
            "creating the directory failed: Not a directory" + at(file / "a" / "b"));
  files_.check_create_directories(folder / "a" / "b");
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_EQ(count_files(dir_.path()), 2u);
}

TEST_F(FileSystemTest, folders_and_files_that_may_not_be_written_are_found_without_writing) {
  constexpr uid_t kNobody = 65534;
  const fs::path folder = dir_.path() / "folder";
  fs::create_directory(folder);
  const fs::path file = dir_.write("folder/file", "x");
  fs::permissions(dir_.path(), fs::perms::all);
  fs::permissions(folder, fs::perms(0555));
  const bool is_root = ::geteuid() == 0;  // root may do everything
  ASSERT_TRUE(!is_root || ::seteuid(kNobody) == 0);
  const std::string in_folder = error_text<Error>([&] { files_.check_replace(folder / "new"); });
  const std::string new_folder =
      error_text<Error>([&] { files_.check_create_directories(folder / "a"); });
  const std::string replaced = error_text<Error>([&] { files_.replace(folder / "new", "x"); });
  ASSERT_TRUE(!is_root || ::seteuid(0) == 0);
  fs::permissions(folder, fs::perms(0755));
  EXPECT_EQ(in_folder, "opening failed: Permission denied [" + (folder / "new").string() + "]");
  EXPECT_EQ(replaced, in_folder);
  EXPECT_EQ(new_folder,
            "creating the directory failed: Permission denied [" + (folder / "a").string() + "]");
}

TEST_F(FileSystemTest, an_output_that_is_an_input_is_refused_through_every_kind_of_link) {
  const fs::path input = dir_.write("model.onnx", "x");
  const std::array inputs = {dir_.path() / "missing", input};
  fs::create_symlink("model.onnx", dir_.path() / "soft");
  fs::create_hard_link(input, dir_.path() / "hard");
  for (const char* name : {"model.onnx", "soft", "hard", "./model.onnx"}) {
    const std::string text =
        error_text<Error>([&] { check_not_input(dir_.path() / name, inputs); });
    EXPECT_NE(text.find("the output would replace the input '" + input.string() + "'"),
              std::string::npos)
        << name << text;
  }
  check_not_input(dir_.path() / "missing", inputs);
  check_not_input(dir_.write("other", "x"), inputs);
  const std::array<fs::path, 1> device = {"/dev/null"};
  check_not_input("/dev/null", device);
}

}  // namespace
}  // namespace qsweep
