#include "io/fs/file_system.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& path) {
  const int reason = errno;
  const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
  throw Error(
      ErrorCode::io,
      fmt::format("{} failed: {}", what, full ? "the disk is full" : std::strerror(reason)),
      path.string(),
      full ? "Free some space and run the same command again; what is finished is kept" : "");
}

/// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail("opening", path_);
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void write(ByteView bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("writing", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void sync() const {
    if (::fsync(fd_) != 0) fail("syncing", path_);
  }
  void close() {
    if (::close(std::exchange(fd_, -1)) != 0) fail("closing", path_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  std::filesystem::path path_;
  int fd_;
};

class RealAppendFile final : public AppendFile {
 public:
  explicit RealAppendFile(const std::filesystem::path& path)
      : file_(path, O_WRONLY | O_CREAT | O_APPEND) {}
  void append(ByteView bytes) override { file_.write(bytes); }
  void sync() override { file_.sync(); }

 private:
  Descriptor file_;
};

class RealFileSystem final : public FileSystem {
 public:
  bool exists(const std::filesystem::path& path) override {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  }

  Bytes read(const std::filesystem::path& path) override {
    const Descriptor file(path, O_RDONLY);
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) fail("reading", path);
    if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::io, "not a regular file", path.string());
    Bytes contents(static_cast<std::size_t>(info.st_size));
    std::size_t at = 0;
    while (at < contents.size()) {
      const ssize_t n = ::read(file.get(), contents.data() + at, contents.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("reading", path);
      if (n == 0) break;  // it shrank meanwhile
      at += static_cast<std::size_t>(n);
    }
    contents.resize(at);
    return contents;
  }

  void create_directories(const std::filesystem::path& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error)
      throw Error(ErrorCode::io, "creating the directory failed: " + error.message(),
                  path.string());
  }

  void replace(const std::filesystem::path& path, ByteView contents) override {
    const std::filesystem::path target = std::filesystem::absolute(path);
    std::filesystem::path beside = target;
    beside += fmt::format(".tmp{}", ::getpid());
    try {
      Descriptor file(beside, O_WRONLY | O_CREAT | O_TRUNC);
      file.write(contents);
      file.sync();
      file.close();
      if (::rename(beside.c_str(), target.c_str()) != 0) fail("renaming", target);
    } catch (const Error&) {
      ::unlink(beside.c_str());
      throw;
    }
    Descriptor(target.parent_path(), O_RDONLY | O_DIRECTORY).sync();
  }

  std::unique_ptr<AppendFile> open_append(const std::filesystem::path& path) override {
    return std::make_unique<RealAppendFile>(path);
  }

  void truncate(const std::filesystem::path& path, std::uint64_t size) override {
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) fail("truncating", path);
  }

  void remove(const std::filesystem::path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("removing", path);
  }

  std::uint64_t free_bytes(const std::filesystem::path& path) override {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) fail("asking for free space", path);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }
};

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem instance;
  return instance;
}

}  // namespace qsweep
