// An .npy file: any bytes are an array of as many elements as they hold, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "src/base/error.h"

#include "io/data/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const qsweep::ByteView file{reinterpret_cast<const std::byte*>(data), size};
    const qsweep::NpyHeader header = qsweep::parse_npy_header(file, size, "fuzz.npy");
    const qsweep::Tensor array = qsweep::parse_npy(file, "fuzz.npy");
    if (array.shape() != header.shape || array.bytes() + header.data_offset != size) std::abort();
  } catch (const qsweep::Error&) {
  }
  return 0;
}
