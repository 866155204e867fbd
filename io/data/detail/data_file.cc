#include "io/data/detail/data_file.h"

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep {

namespace {

constexpr const char* kLeaveAlone = "Leave data alone while a run is on, then start it again";

[[noreturn]] void fail(const std::filesystem::path& path, int reason) {
  throw Error(reason == ENOENT || reason == ENOTDIR ? ErrorCode::not_found : ErrorCode::io,
              "cannot read the data file: " + std::generic_category().message(reason),
              path.string());
}

[[noreturn]] void fail_changed(const std::filesystem::path& path, const std::string& how) {
  throw Error(ErrorCode::corrupt_input, "the data file has changed since it was opened: " + how,
              path.string(), kLeaveAlone);
}

struct stat information(int descriptor, const std::filesystem::path& path) {
  struct stat found {};
  if (::fstat(descriptor, &found) != 0) fail(path, errno);
  return found;
}

}  // namespace

DataFile::DataFile(std::filesystem::path path) : path_(std::move(path)) {
  // Without O_NONBLOCK a FIFO would be waited for.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail(path_, errno);
  try {
    const struct stat found = information(descriptor_, path_);
    if (!S_ISREG(found.st_mode))
      throw Error(ErrorCode::io, "the data file is not a regular file", path_.string());
    if (found.st_size == 0)
      throw Error(ErrorCode::corrupt_input, "the data file is empty", path_.string());
    size_ = static_cast<std::uint64_t>(found.st_size);
    written_ = found.st_mtim;
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

DataFile::DataFile(DataFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      written_(other.written_) {}

DataFile::~DataFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void DataFile::read(std::uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got = ::pread(descriptor_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path_, errno);
    if (got == 0) break;
    offset += static_cast<std::uint64_t>(got);
    to = to.subspan(static_cast<std::size_t>(got));
  }
  // Looked at after reading, so that what was read is what was opened.
  const struct stat now = information(descriptor_, path_);
  if (static_cast<std::uint64_t>(now.st_size) != size_ || !to.empty())
    fail_changed(path_, fmt::format("it has {} bytes, it had {}", now.st_size, size_));
  if (now.st_mtim.tv_sec != written_.tv_sec || now.st_mtim.tv_nsec != written_.tv_nsec)
    fail_changed(path_, "it was written to");
}

Bytes DataFile::contents() const {
  Bytes all(size_);
  read(0, all);
  return all;
}

void FileSet::add(std::string path) {
  paths_.push_back(std::move(path));
  hashes_.push_back(0);
}

Bytes FileSet::read(std::size_t file) const {
  Bytes all = DataFile(path(file)).contents();
  const std::uint64_t now = content_hash(all);
  std::uint64_t before = 0;
  if (!std::atomic_ref(hashes_.at(file)).compare_exchange_strong(before, now) && before != now)
    fail_changed(path(file), "it holds other bytes");
  return all;
}

std::uint64_t FileSet::hash(std::size_t file) const {
  const std::uint64_t known = std::atomic_ref(hashes_.at(file)).load();
  return known != 0 ? known : content_hash(read(file));
}

std::uint64_t content_hash(ByteView bytes) {
  constexpr int kHexadecimal = 16;
  return std::stoull(sha256_hex(bytes).substr(0, kHexadecimal), nullptr, kHexadecimal);
}

}  // namespace qsweep
