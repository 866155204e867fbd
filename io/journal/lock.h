#pragma once

#include <filesystem>

namespace qsweep {

/// Keeps a second process from writing the same run: a lock of the kernel (flock) on the file
/// `path`, which also names its holder for people. It ends with the process, however that ends, so
/// a file left behind locks nobody out and needs no override; a process that has been killed and is
/// not gone yet is waited for. Where the file system has no locks, a
/// warning says so.
class RunLock {
 public:
  /// @throws Error(resource) naming the holder, Error(io) when the file cannot be made
  explicit RunLock(const std::filesystem::path& path);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace qsweep
