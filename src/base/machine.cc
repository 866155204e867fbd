#include "src/base/machine.h"

#include <fstream>
#include <sstream>
#include <thread>

#include <unistd.h>

namespace qsweep {
namespace {

std::string cpu_info(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  std::string line;
  while (std::getline(in, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return {};
}

std::uint64_t status_kib(const std::string& key) {
  std::ifstream in("/proc/self/status");
  std::string line;
  while (std::getline(in, line)) {
    if (line.compare(0, key.size(), key) == 0)
      return std::stoull(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

Machine probe() {
  Machine m;
  m.cpu_model = cpu_info("model name");
  std::istringstream flags(cpu_info("flags"));
  const std::vector<std::string> known = {"avx2",     "fma",         "f16c",
                                          "avx512f",  "avx512bw",    "avx512_vnni",
                                          "avx_vnni", "avx512_bf16", "amx_int8"};
  std::string flag;
  while (flags >> flag) {
    for (const std::string& k : known) {
      if (flag == k) m.features.push_back(flag);
    }
  }
  const auto has = [&](const std::string& name) {
    for (const std::string& f : m.features) {
      if (f == name) return true;
    }
    return false;
  };
  m.logical_cores = static_cast<int>(std::thread::hardware_concurrency());
  m.memory_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                   static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  m.has_avx2_fma = has("avx2") && has("fma");
  m.has_avx512 = has("avx512bw");
  m.has_avx512_vnni = m.has_avx512 && has("avx512_vnni");
  m.has_vnni = has("avx512_vnni") || has("avx_vnni");
  m.has_bf16 = has("avx512_bf16");
  return m;
}

}  // namespace

const Machine& this_machine() {
  static const Machine machine = probe();
  return machine;
}

std::uint64_t resident_bytes() {
  return status_kib("VmRSS:");
}
std::uint64_t peak_resident_bytes() {
  return status_kib("VmHWM:");
}

std::string version() {
  return QSWEEP_VERSION;
}
std::string compiler() {
#ifdef __clang__
  return __VERSION__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace qsweep
