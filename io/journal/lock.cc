#include "io/journal/lock.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/log.h"

namespace qsweep {

namespace {

/// What a lock file says about its holder; for people only.
std::string read_holder(int fd) {
  std::array<char, 256> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : "unknown";
}

void write_holder(int fd) {
  std::array<char, 128> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string text = fmt::format("process {} on {} since {:%Y-%m-%d %H:%M:%S} UTC",
                                       ::getpid(), host.data(), fmt::gmtime(std::time(nullptr)));
  // The lock holds without it.
  if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0)
    throw Error(ErrorCode::io, fmt::format("opening the lock failed: {}", std::strerror(errno)),
                path.string());
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      const std::string holder = read_holder(fd_);
      ::close(fd_);
      throw Error(ErrorCode::resource,
                  fmt::format("another qsweep is working in this run directory ({})", holder),
                  path.string(), "Wait for it, stop it, or choose another --out");
    }
    log_warning(fmt::format(
        "{}: this file system has no locks ({}); let only one qsweep work in this run directory",
        path.string(), std::strerror(errno)));
  }
  write_holder(fd_);
}

RunLock::~RunLock() {
  ::close(fd_);
}

}  // namespace qsweep
