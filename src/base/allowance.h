#pragma once

#include <cstdint>
#include <filesystem>

namespace qsweep {

/// What this process may use of its machine, as its surroundings (taskset, a container, a batch
/// system, ulimit) have it.
struct Allowance {
  /// Cores it may run on, no more than the CPU quotas of its control groups come to, rounded up; at
  /// least 1.
  int cores = 1;
  /// Bytes it could still come to hold: what the machine has available, and what its control groups
  /// leave, where pages of files count as available.
  std::uint64_t memory_bytes = 0;
  /// Bytes of addresses it could still ask for (ulimit -v and -d).
  std::uint64_t address_bytes = 0;
};

/// Of this process, now.
[[nodiscard]] Allowance this_allowance();

/// The same where `cores` are in the affinity mask, `address_bytes` are left of the resource limits
/// and the rest is said by /proc and /sys/fs/cgroup (version 1, 2 or both) below `root`. Files that
/// are not there or say nothing limit nothing. The limits of a group hold for all groups inside it.
[[nodiscard]] Allowance read_allowance(int cores,
                                       std::uint64_t address_bytes,
                                       const std::filesystem::path& root);

/// Ranks for which there is room, each a thread: one for each core, fewer where memory is short, at
/// least one.
[[nodiscard]] int ranks_within(const Allowance& allowance);

}  // namespace qsweep
