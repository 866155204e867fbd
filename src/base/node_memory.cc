#include "src/base/node_memory.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep {
namespace {

constexpr const char* kPrefix = "qsweep-memory-";
/// Before the data: how many ranks have opened the file.
constexpr std::size_t kHeaderBytes = NodeMemory::kPageBytes;
/// Of a file system that others need too, MPI first.
constexpr std::uint64_t kBytesLeftToOthers = std::uint64_t{16} << 20;
/// A file that vanishes between being opened and being locked is made anew.
constexpr int kOpenAttempts = 16;

[[noreturn]] void fail(const std::string& what, int reason, const std::filesystem::path& path) {
  throw Error(ErrorCode::resource, what + ": " + std::generic_category().message(reason),
              path.string());
}

bool has_name(int file) {
  struct stat info {};
  return ::fstat(file, &info) == 0 && info.st_nlink > 0;
}

/// Removes the file unless a process holds it. Nobody takes a name away without holding a lock, so
/// while we hold this one the name, if any, is this file's.
void remove_if_abandoned(int file, const std::filesystem::path& path) {
  if (::flock(file, LOCK_EX | LOCK_NB) == 0 && has_name(file)) ::unlink(path.c_str());
}

/// What killed runs left behind.
void remove_abandoned(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    const int file = ::open(entry.path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) continue;
    remove_if_abandoned(file, entry.path());
    ::close(file);
  }
}

std::byte* map(std::size_t bytes, int flags, int file) {
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
  return address == MAP_FAILED ? nullptr : static_cast<std::byte*>(address);
}

}  // namespace

NodeMemory::NodeMemory(std::size_t bytes) : mapped_(bytes + kHeaderBytes) {
  std::byte* address = map(mapped_, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  if (address == nullptr) fail("out of memory", errno, {});
  data_ = address + kHeaderBytes;
}

NodeMemory::NodeMemory(const NodeShare& share, const std::string& key, std::size_t bytes)
    : mapped_(bytes + kHeaderBytes) {
  const std::string name = sha256_hex(share.run + '\n' + key + '\n' + std::to_string(bytes));
  path_ = share.folder / (kPrefix + name.substr(0, 32));
  remove_abandoned(share.folder);
  for (int attempt = 0; file_ < 0; ++attempt) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file_ < 0) fail("memory cannot be shared", errno, path_);
    if (::flock(file_, LOCK_SH) == 0 && has_name(file_)) break;
    ::close(file_);
    file_ = -1;
    if (attempt == kOpenAttempts) fail("memory cannot be shared", EBUSY, path_);
  }
  // The same from whichever rank: a grown file reads as zeros.
  std::byte* address = nullptr;
  int reason = ::ftruncate(file_, static_cast<off_t>(mapped_)) == 0 ? 0 : errno;
  if (reason == 0) reason = ::posix_fallocate(file_, 0, kHeaderBytes);
  if (reason == 0 && (address = map(mapped_, MAP_SHARED, file_)) == nullptr) reason = errno;
  if (reason != 0) {
    remove_if_abandoned(file_, path_);
    ::close(file_);
    fail("memory cannot be shared", reason, path_);
  }
  data_ = address + kHeaderBytes;
  std::atomic_ref<std::uint32_t> opened(*reinterpret_cast<std::uint32_t*>(address));
  if (opened.fetch_add(1) + 1 == static_cast<std::uint32_t>(share.ranks)) ::unlink(path_.c_str());
}

NodeMemory::~NodeMemory() {
  ::munmap(data_ - kHeaderBytes, mapped_);
  if (file_ < 0) return;
  remove_if_abandoned(file_, path_);
  ::close(file_);
}

bool NodeMemory::reserve(std::size_t offset, std::size_t bytes) {
  if (file_ < 0) return true;
  struct statvfs space {};
  // Allocated rather than left to the first write, which a full file system would answer with
  // SIGBUS.
  return ::fstatvfs(file_, &space) == 0 &&
         std::uint64_t{space.f_bavail} * space.f_frsize >= bytes + kBytesLeftToOthers &&
         ::posix_fallocate(file_, static_cast<off_t>(kHeaderBytes + offset),
                           static_cast<off_t>(bytes)) == 0;
}

}  // namespace qsweep
