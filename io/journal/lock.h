#pragma once

#include <filesystem>

namespace qsweep {

/// Keeps a second process from writing the same run: a lock held by the kernel (flock) on
/// `<path>.lock`, which also names its holder for people. It ends with the process, however that
/// ends; a stale file locks nobody out.
class RunLock {
 public:
  /// @throws Error(resource) naming the holder.
  explicit RunLock(const std::filesystem::path& path);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace qsweep
