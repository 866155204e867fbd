#include "io/fs/file_system.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kNewFile = 0666;  ///< less the umask
constexpr int kMostLinks = 40;     ///< of links to links, as Linux has it

[[noreturn]] void fail(const char* what, const fs::path& path, int reason = errno) {
  const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
  throw Error(
      ErrorCode::io,
      fmt::format("{} failed: {}", what, full ? "the disk is full" : std::strerror(reason)),
      path.string(),
      full ? "Free some space and run the same command again; what is finished is kept" : "");
}

[[noreturn]] void fail_as_folder(const fs::path& path) {
  throw Error(ErrorCode::io, "a folder is there, not a file", path.string(), "Name a file");
}

/// A file descriptor that closes itself. Its errors name `name`.
class Descriptor {
 public:
  Descriptor(int fd, fs::path name) : name_(std::move(name)), fd_(fd) {}
  Descriptor(const fs::path& path, int flags, const fs::path& name)
      : Descriptor(::open(path.c_str(), flags | O_CLOEXEC, kNewFile), name) {
    if (fd_ < 0) fail("opening", name_);
  }
  Descriptor(const fs::path& path, int flags) : Descriptor(path, flags, path) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void write(ByteView bytes) const { write_all(fd_, bytes, name_); }
  void sync() const {
    if (::fsync(fd_) != 0) fail("syncing", name_);
  }
  void close() {
    if (::close(std::exchange(fd_, -1)) != 0) fail("closing", name_);
  }
  [[nodiscard]] int get() const { return fd_; }

  static void write_all(int fd, ByteView bytes, const fs::path& name) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("writing", name);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }

 private:
  fs::path name_;
  int fd_;
};

/// Where an output goes in the end: links are followed.
struct Place {
  fs::path path;
  std::optional<struct stat> found{};  ///< what is there
  std::optional<int> descriptor{};     ///< an open descriptor of this process

  [[nodiscard]] bool is_file() const { return !descriptor && (!found || S_ISREG(found->st_mode)); }
  [[nodiscard]] fs::path folder() const { return path.parent_path(); }
};

/// /dev/stdout, /dev/fd/N and their like: names of what this process has open.
std::optional<int> own_descriptor(const fs::path& path) {
  std::error_code unknown;
  const std::string folder = fs::canonical(path.parent_path(), unknown).string();
  if (unknown || !folder.starts_with(fmt::format("/proc/{}/", ::getpid())) ||
      !folder.ends_with("/fd"))
    return std::nullopt;
  const std::string name = path.filename().string();
  int fd = -1;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), fd);
  const bool is_number = failure == std::errc{} && end == name.data() + name.size();
  return is_number ? std::optional(fd) : std::nullopt;
}

Place find_place(const fs::path& given) {
  if (given.empty()) fail("opening", given, ENOENT);
  if (!given.has_filename()) fail_as_folder(given);
  std::error_code failure;
  Place place{.path = fs::absolute(given, failure)};
  if (failure) fail("opening", given, failure.value());
  for (int links = 0;; ++links) {
    place.descriptor = own_descriptor(place.path);
    if (place.descriptor) return place;
    struct stat found {};
    if (::lstat(place.path.c_str(), &found) != 0) {
      if (errno != ENOENT) fail("opening", given);
      return place;
    }
    if (!S_ISLNK(found.st_mode)) {
      place.found = found;
      return place;
    }
    if (links == kMostLinks) fail("opening", given, ELOOP);
    const fs::path target = fs::read_symlink(place.path, failure);
    if (failure) fail("opening", given, failure.value());
    place.path = place.folder() / target;
  }
}

void check_access(const fs::path& path, int mode, const fs::path& given) {
  if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) != 0) fail("opening", given);
}

/// What can be known to be wrong with a place without writing there.
void check_place(const Place& place, const fs::path& given) {
  if (place.descriptor) {
    if (::fcntl(*place.descriptor, F_GETFD) < 0) fail("opening", given);
    return;
  }
  if (place.found) {
    if (S_ISDIR(place.found->st_mode)) fail_as_folder(given);
    check_access(place.path, W_OK, given);
    if (!place.is_file()) return;
  }
  struct stat folder {};
  if (::stat(place.folder().c_str(), &folder) != 0) {
    if (errno != ENOENT) fail("opening", given);
    throw Error(ErrorCode::io, "its folder does not exist", given.string(),
                "Make it, or name another");
  }
  if (!S_ISDIR(folder.st_mode)) fail("opening", given, ENOTDIR);
  check_access(place.folder(), W_OK | X_OK, given);
}

/// A new file beside its place until commit(); gone if that never comes.
class Staged {
 public:
  Staged(Place place, const NewFile& file) : Staged(std::move(place), file.path) {
    Descriptor out(create(), given_);
    out.write(file.contents);
    if (place_.found) {
      // Only root may give files away.
      (void)!::fchown(out.get(), place_.found->st_uid, place_.found->st_gid);
      if (::fchmod(out.get(), place_.found->st_mode & 07777) != 0)
        fail("setting permissions", given_);
    }
    out.sync();
    out.close();
  }
  ~Staged() {
    if (!beside_.empty()) ::unlink(beside_.c_str());
  }
  Staged(Staged&& other) noexcept
      : place_(std::move(other.place_)),
        given_(std::move(other.given_)),
        beside_(std::exchange(other.beside_, fs::path())) {}
  Staged& operator=(Staged&&) = delete;

  void commit() {
    if (::rename(beside_.c_str(), place_.path.c_str()) != 0) fail("renaming", given_);
    beside_.clear();
    sync_folder();
  }

 private:
  Staged(Place place, const fs::path& given) : place_(std::move(place)), given_(given) {}

  /// The name does not grow with the file's own, which may be as long as names can be.
  int create() {
    static std::atomic<unsigned> next{0};
    for (;;) {
      const fs::path path = place_.folder() / fmt::format(".qsweep-{}-{}.tmp", ::getpid(), next++);
      const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kNewFile);
      if (fd >= 0) {
        beside_ = path;
        return fd;
      }
      if (errno != EEXIST) fail("opening", given_);
    }
  }

  /// So that the new name survives a power cut, where the file system knows how and we may.
  void sync_folder() const {
    const int folder = ::open(place_.folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    const int reason = ::fsync(folder) == 0 ? 0 : errno;
    ::close(folder);
    if (reason != 0 && reason != EINVAL && reason != ENOTSUP) fail("syncing", given_, reason);
  }

  Place place_;
  fs::path given_;
  fs::path beside_;
};

void write_through(const Place& place, const NewFile& file) {
  if (place.descriptor) {
    Descriptor::write_all(*place.descriptor, file.contents, file.path);
    return;
  }
  Descriptor out(place.path, O_WRONLY, file.path);
  out.write(file.contents);
  out.close();
}

class RealAppendFile final : public AppendFile {
 public:
  explicit RealAppendFile(const fs::path& path) : file_(path, O_WRONLY | O_CREAT | O_APPEND) {}
  void append(ByteView bytes) override { file_.write(bytes); }
  void sync() override { file_.sync(); }

 private:
  Descriptor file_;
};

class RealFileSystem final : public FileSystem {
 public:
  bool exists(const fs::path& path) override {
    std::error_code failure;
    const fs::file_status status = fs::status(path, failure);
    if (status.type() == fs::file_type::none) fail("opening", path, failure.value());
    return fs::exists(status);
  }

  Bytes read(const fs::path& path) override {
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

  void create_directories(const fs::path& path) override {
    std::error_code failure;
    fs::create_directories(path, failure);
    if (failure) fail("creating the directory", path, failure.value());
  }

  void replace(std::span<const NewFile> files) override {
    std::vector<Staged> staged;
    std::vector<std::pair<Place, const NewFile*>> others;
    for (const NewFile& file : files) {
      Place place = find_place(file.path);
      check_place(place, file.path);
      if (place.is_file()) {
        staged.emplace_back(std::move(place), file);
      } else {
        others.emplace_back(std::move(place), &file);
      }
    }
    for (const auto& [place, file] : others) write_through(place, *file);
    for (Staged& file : staged) file.commit();
  }

  void check_replace(const fs::path& path) override { check_place(find_place(path), path); }

  void check_create_directories(const fs::path& path) override {
    if (path.empty()) fail("creating the directory", path, ENOENT);
    std::error_code failure;
    fs::path there = fs::absolute(path, failure);
    if (failure) fail("creating the directory", path, failure.value());
    struct stat info {};
    while (::stat(there.c_str(), &info) != 0) {
      if (errno != ENOENT || !there.has_relative_path()) fail("creating the directory", path);
      there = there.parent_path();
    }
    if (!S_ISDIR(info.st_mode)) fail("creating the directory", path, ENOTDIR);
    if (::faccessat(AT_FDCWD, there.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
      fail("creating the directory", path);
  }

  std::unique_ptr<AppendFile> open_append(const fs::path& path) override {
    return std::make_unique<RealAppendFile>(path);
  }

  void truncate(const fs::path& path, std::uint64_t size) override {
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) fail("truncating", path);
  }

  void remove(const fs::path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("removing", path);
  }

  std::uint64_t free_bytes(const fs::path& path) override {
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
