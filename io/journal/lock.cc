#include "io/journal/lock.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/log.h"

namespace qsweep {

namespace {

/// What a lock file says about its holder.
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

/// A killed process holds its locks until the last of its threads is gone, on a busy machine for a
/// while: its leader is a zombie by then. True when the process that a lock file names is one.
bool is_dying(const std::string& holder) {
  int process = 0;
  if (std::sscanf(holder.c_str(), "process %d on", &process) != 1) return false;
  std::ifstream stat(fmt::format("/proc/{}/stat", process));
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  const std::size_t name_end = text.rfind(')');  // the name may hold anything
  return name_end != std::string::npos && text.compare(name_end, 3, ") Z") == 0;
}

/// flock(), which waits for a holder that has been killed.
int lock_exclusively(int fd) {
  constexpr std::chrono::seconds kPatience{30};
  constexpr std::chrono::milliseconds kNap{50};
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const int result = ::flock(fd, LOCK_EX | LOCK_NB);
    if (result == 0 || errno != EWOULDBLOCK) return result;
    if (!is_dying(read_holder(fd)) || std::chrono::steady_clock::now() >= deadline) {
      errno = EWOULDBLOCK;
      return result;
    }
    std::this_thread::sleep_for(kNap);
  }
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0)
    throw Error(ErrorCode::io, fmt::format("opening the lock failed: {}", std::strerror(errno)),
                path.string());
  if (lock_exclusively(fd_) != 0) {
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
