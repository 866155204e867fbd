#include "src/base/allowance.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sched.h>
#include <sys/resource.h>

#include "src/base/text.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
/// Two ranks held 116 to 514 MiB on models of 10 to 113 layers (bench/growth).
constexpr std::uint64_t kBytesPerRank = std::uint64_t{256} << 20;
/// Addresses: twice a stack and an arena of malloc, and a buffer of the BLAS, besides.
constexpr std::uint64_t kAddressesPerRank = std::uint64_t{512} << 20;

/// The first word of a file that is a number; nothing for `max`, -1 and a file that is not there.
std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::int64_t value = 0;
  return in >> value && value >= 0 ? std::optional(static_cast<std::uint64_t>(value))
                                   : std::nullopt;
}

/// The number behind a key in lines `key number`, 0 without it.
std::uint64_t entry_in(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return 0;
}

/// Cores' worth of time that a group may take.
std::optional<double> cpu_quota(const fs::path& group) {
  std::optional<std::uint64_t> quota = number_in(group / "cpu.max");  // `QUOTA PERIOD`
  std::uint64_t period = 0;
  if (quota) {
    std::ifstream in(group / "cpu.max");
    in >> period >> period;
  } else {
    quota = number_in(group / "cpu.cfs_quota_us");
    period = number_in(group / "cpu.cfs_period_us").value_or(0);
  }
  if (!quota || period == 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(period);
}

/// Bytes that a group's processes may still take; pages of files are given up for them.
std::optional<std::uint64_t> memory_left(const fs::path& group) {
  std::error_code unknown;
  const bool is_v2 = fs::exists(group / "memory.max", unknown);
  const auto limit = number_in(group / (is_v2 ? "memory.max" : "memory.limit_in_bytes"));
  if (!limit) return std::nullopt;
  const std::uint64_t used =
      number_in(group / (is_v2 ? "memory.current" : "memory.usage_in_bytes")).value_or(0);
  const std::uint64_t of_files = entry_in(group / "memory.stat", is_v2 ? "file" : "total_cache");
  const std::uint64_t held = used - std::min(used, of_files);
  return *limit - std::min(*limit, held);
}

/// Folders that may describe the control groups of this process: each group and those around it. In
/// a container the path of a group is often that of the host, and the group lies at the top.
std::vector<fs::path> group_folders(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::vector<fs::path> folders;
  std::ifstream in(root / "proc/self/cgroup");
  std::string line;
  while (std::getline(in, line)) {  // id:controllers:path
    const std::vector<std::string> parts = split(line, ':');
    if (parts.size() < 3) continue;
    std::vector<fs::path> tops;
    if (parts[1].empty()) {
      tops = {mounts, mounts / "unified"};
    } else {
      tops = {mounts / parts[1]};
      for (const std::string& controller : split(parts[1], ','))
        tops.push_back(mounts / controller);
    }
    const std::string group = line.substr(parts[0].size() + parts[1].size() + 2);
    for (const fs::path& top : tops) {
      for (fs::path inner = fs::path(group).relative_path();; inner = inner.parent_path()) {
        folders.push_back(top / inner);
        if (inner.empty()) break;
      }
    }
  }
  return folders;
}

int cores_of_affinity() {
  for (int most = CPU_SETSIZE; most <= 1 << 20; most *= 2) {
    std::vector<cpu_set_t> mask(static_cast<std::size_t>(most / CPU_SETSIZE));
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, mask.data()) == 0) return CPU_COUNT_S(bytes, mask.data());
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

/// What a resource limit leaves, of which so many KiB are taken by the line `used` of our status.
std::uint64_t left_of(int resource, const char* used) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0 ||
      limit.rlim_cur == RLIM_INFINITY)
    return kUnlimited;
  const std::uint64_t taken = entry_in("/proc/self/status", used) * 1024;
  return limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, taken);
}

}  // namespace

Allowance read_allowance(int cores, std::uint64_t address_bytes, const fs::path& root) {
  Allowance allowance{
      .cores = std::max(1, cores), .memory_bytes = kUnlimited, .address_bytes = address_bytes};
  const std::uint64_t available = entry_in(root / "proc/meminfo", "MemAvailable:") * 1024;
  if (available > 0) allowance.memory_bytes = available;
  for (const fs::path& group : group_folders(root)) {
    if (const auto quota = cpu_quota(group)) {
      allowance.cores =
          std::clamp(static_cast<int>(std::min(std::ceil(*quota), 1e6)), 1, allowance.cores);
    }
    if (const auto left = memory_left(group))
      allowance.memory_bytes = std::min(allowance.memory_bytes, *left);
  }
  return allowance;
}

Allowance this_allowance() {
  return read_allowance(cores_of_affinity(),
                        std::min(left_of(RLIMIT_AS, "VmSize:"), left_of(RLIMIT_DATA, "VmData:")),
                        "/");
}

int ranks_within(const Allowance& allowance) {
  const std::uint64_t room =
      std::min(allowance.memory_bytes / kBytesPerRank, allowance.address_bytes / kAddressesPerRank);
  return static_cast<int>(
      std::clamp<std::uint64_t>(room, 1, static_cast<std::uint64_t>(allowance.cores)));
}

}  // namespace qsweep
