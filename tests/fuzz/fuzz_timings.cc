// Files of times: any bytes are times from 0 on, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "src/base/bytes.h"
#include "src/base/error.h"

#include "io/timings/timings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const qsweep::ByteView file{reinterpret_cast<const std::byte*>(data), size};
    const qsweep::Timings timings = qsweep::read_timings(qsweep::as_text(file), "model", "fuzz");
    for (const qsweep::TimedModel& model : timings.models) {
      if (model.whole && model.whole->ms < 0.0) std::abort();
      for (const qsweep::KernelTime& kernel : model.kernels) {
        if (kernel.ms < 0.0) std::abort();
      }
    }
  } catch (const qsweep::Error&) {
  }
  return 0;
}
