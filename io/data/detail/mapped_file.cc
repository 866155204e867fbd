#include "io/data/detail/mapped_file.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep {

namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int reason) {
  throw Error(reason == ENOENT ? ErrorCode::not_found : ErrorCode::io,
              "cannot read the data file: " + std::generic_category().message(reason),
              path.string());
}

/// Closes a descriptor at the end of a scope; a mapping outlives it.
struct Descriptor {
  int fd;
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(fd); }
};

}  // namespace

MappedFile::MappedFile(std::filesystem::path path) : path_(std::move(path)) {
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    fail(path_, errno);
  }
  const Descriptor descriptor(fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    fail(path_, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    throw Error(ErrorCode::io, "the data file is not a regular file", path_.string());
  }
  if (info.st_size == 0) {
    throw Error(ErrorCode::corrupt_input, "the data file is empty", path_.string());
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) {
    fail(path_, errno);
  }
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

std::string digest_of(const std::vector<MappedFile>& files) {
  Sha256 hash;
  for (const MappedFile& file : files) {
    hash.update(file.bytes());
  }
  return hash.hex();
}

}  // namespace qsweep
