// An .npy file: any bytes are an array that lies inside them, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "src/base/error.h"

#include "io/data/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const qsweep::NpyView view =
        qsweep::parse_npy({reinterpret_cast<const std::byte*>(data), size}, "fuzz.npy");
    const auto count = static_cast<std::uint64_t>(qsweep::element_count(view.shape));
    if (view.data.size() != count * qsweep::element_bytes(view.dtype) || view.data.size() > size) {
      std::abort();
    }
  } catch (const qsweep::Error&) {
  }
  return 0;
}
