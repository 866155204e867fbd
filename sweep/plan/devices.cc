#include <vector>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "sweep/plan/latency.h"

namespace qsweep {

// Dense peaks and memory bandwidths are the vendors' datasheet figures (sparsity not counted); the
// overhead per layer is a round figure for a kernel launch on GPUs and for a primitive call on
// CPUs.
const std::vector<Device>& known_devices() {
  static const std::vector<Device> devices = {
      {"cpu-avx512-vnni",
       "one core of a server CPU with AVX-512 VNNI at 3 GHz, two 512-bit FMA units (architecture "
       "manual)",
       12.0,
       2.0,
       {{"fp32", 192}, {"int8", 768}}},
      {"cpu-avx2",
       "one core of a CPU with AVX2 at 3 GHz, two 256-bit FMA units (architecture manual)",
       12.0,
       2.0,
       {{"fp32", 96}, {"int8", 192}}},
      {"jetson-orin-nano",
       "NVIDIA Jetson Orin Nano 8 GB, 15 W (module datasheet)",
       68.0,
       5.0,
       {{"fp32", 1280}, {"fp16", 10000}, {"int8", 20000}}},
      {"jetson-agx-orin",
       "NVIDIA Jetson AGX Orin 64 GB, GPU only (module datasheet)",
       204.8,
       5.0,
       {{"fp32", 5300}, {"fp16", 42500}, {"int8", 85000}}},
      {"t4",
       "NVIDIA T4 (datasheet)",
       320.0,
       4.0,
       {{"fp32", 8100}, {"fp16", 65000}, {"int8", 130000}, {"int4", 260000}}},
      {"a10",
       "NVIDIA A10 (datasheet)",
       600.0,
       4.0,
       {{"fp32", 31200}, {"fp16", 125000}, {"bf16", 125000}, {"int8", 250000}, {"int4", 500000}}},
      {"a100",
       "NVIDIA A100 80 GB SXM (datasheet)",
       2039.0,
       4.0,
       {{"fp32", 19500}, {"fp16", 312000}, {"bf16", 312000}, {"int8", 624000}, {"int4", 1248000}}},
      {"l4",
       "NVIDIA L4 (datasheet, dense)",
       300.0,
       4.0,
       {{"fp32", 30300}, {"fp16", 121000}, {"bf16", 121000}, {"fp8", 242500}, {"int8", 242500}}},
      {"h100",
       "NVIDIA H100 SXM (datasheet, dense)",
       3350.0,
       4.0,
       {{"fp32", 67000}, {"fp16", 989500}, {"bf16", 989500}, {"fp8", 1979000}, {"int8", 1979000}}},
      {"rtx4090",
       "NVIDIA GeForce RTX 4090 (architecture white paper, dense, FP16 accumulation)",
       1008.0,
       4.0,
       {{"fp32", 82600},
        {"fp16", 330300},
        {"bf16", 165200},
        {"fp8", 660600},
        {"int8", 660600},
        {"int4", 1321200}}},
      {"rtx5090",
       "NVIDIA GeForce RTX 5090 (architecture white paper, dense, FP16 accumulation)",
       1792.0,
       4.0,
       {{"fp32", 104800}, {"fp16", 419000}, {"bf16", 209500}, {"fp8", 838000}, {"int8", 838000}}},
  };
  return devices;
}

const Device& find_device(std::string_view name) {
  std::vector<std::string> names;
  for (const Device& d : known_devices()) {
    if (d.name == name) return d;
    names.push_back(d.name);
  }
  std::string hint = did_you_mean(name, names);
  if (hint.empty()) hint = "Known devices: " + join(names, ", ");
  throw Error(ErrorCode::config, fmt::format("unknown device '{}'", name), "latency.device", hint);
}

}  // namespace qsweep
