#include "io/journal/lock.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "src/base/error.h"

namespace qsweep {

RunLock::RunLock(const std::filesystem::path& path) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0)
    throw Error(ErrorCode::io, fmt::format("opening the lock failed: {}", std::strerror(errno)),
                path.string());
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 256> holder{};
    const ssize_t n = ::pread(fd_, holder.data(), holder.size() - 1, 0);
    ::close(fd_);
    const std::string who(holder.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    throw Error(ErrorCode::resource,
                fmt::format("another qsweep is working in this run directory ({})",
                            who.empty() ? "unknown" : who),
                path.string(), "Wait for it, stop it, or choose another --out");
  }
  std::array<char, 128> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string text = fmt::format("process {} on {}", ::getpid(), host.data());
  // The text is for people only; the lock holds without it.
  if (::ftruncate(fd_, 0) == 0) (void)!::pwrite(fd_, text.data(), text.size(), 0);
}

RunLock::~RunLock() {
  ::close(fd_);
}

}  // namespace qsweep
