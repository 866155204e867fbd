#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace qsweep {

/// What this process runs on; goes into manifests and decides which kernels are exact.
struct Machine {
  std::string cpu_model;
  std::vector<std::string>
      features;  ///< of: avx2 fma f16c avx512f avx512bw avx512_vnni avx_vnni avx512_bf16 amx_int8
  int logical_cores = 0;
  std::uint64_t memory_bytes = 0;
  bool has_vnni = false;  ///< u8 x s8 dot products accumulate in int32 without saturation
  bool has_avx2_fma = false;
  bool has_avx512 = false;
  bool has_avx512_vnni = false;  ///< the same in AVX-512's registers
  bool has_bf16 = false;
};

[[nodiscard]] const Machine& this_machine();

/// Resident set size of this process now and at its highest, in bytes.
[[nodiscard]] std::uint64_t resident_bytes();
[[nodiscard]] std::uint64_t peak_resident_bytes();

/// Program version, and compiler with its version.
[[nodiscard]] std::string version();
[[nodiscard]] std::string compiler();

}  // namespace qsweep
