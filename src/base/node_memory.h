#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <string>

namespace qsweep {

/// The ranks of one run on one node, as far as they share memory.
struct NodeShare {
  std::string run;  ///< names the run: the same on its ranks, another for every other run
  int ranks = 1;    ///< of the run on this node; 1: nothing is shared
  std::filesystem::path folder = "/dev/shm";  ///< of memory; all of these ranks see it
};

/// Memory that reads as zeros at first: of this process alone, or shared by the ranks of a node
/// through a file of /dev/shm. Takes room as it is reserved, not as it is made.
///
/// The file lives as briefly as it can: the last of the ranks to open it takes its name away, so a
/// killed run leaves nothing; the memory itself goes with its last process. Until then each rank
/// holds a lock (flock) on it, which ends with the process: a file without a lock belongs to
/// nobody, and is removed by the last rank to leave or by the next run.
class NodeMemory {
 public:
  /// Parts that are reserved by themselves are whole pages.
  static constexpr std::size_t kPageBytes = 4096;
  [[nodiscard]] static constexpr std::size_t whole_pages(std::size_t bytes) {
    return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  }
  /// A value in such memory, as the processes that share it may change it.
  template <class Value>
  [[nodiscard]] static std::atomic_ref<Value> atomic(Value& value) {
    static_assert(std::atomic_ref<Value>::is_always_lock_free, "processes share it");
    return std::atomic_ref<Value>(value);
  }

  /// Of this process. @throws Error(resource) when there are no addresses left
  explicit NodeMemory(std::size_t bytes);
  /// Shared by the ranks of `share` that ask for the same `key` and size.
  /// @throws Error(resource) when the node has no such memory
  NodeMemory(const NodeShare& share, const std::string& key, std::size_t bytes);
  ~NodeMemory();
  NodeMemory(const NodeMemory&) = delete;
  NodeMemory& operator=(const NodeMemory&) = delete;

  /// Page-aligned.
  [[nodiscard]] std::byte* data() const { return data_; }
  /// To be called before a part is read or written; what another rank reserved counts.
  /// @return false when the node has no more memory to share
  [[nodiscard]] bool reserve(std::size_t offset, std::size_t bytes);

 private:
  std::filesystem::path path_;  ///< empty: of this process
  int file_ = -1;
  std::byte* data_ = nullptr;
  std::size_t mapped_ = 0;  ///< bytes, the page before `data_` included
};

}  // namespace qsweep
