// A JPEG or PNG: any bytes are a picture of its own claimed size, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "src/base/error.h"

#include "io/data/picture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const qsweep::Picture picture =
        qsweep::decode_picture({reinterpret_cast<const std::byte*>(data), size}, "fuzz.jpg");
    if (picture.rgb.size() != static_cast<std::size_t>(3 * picture.width * picture.height)) {
      std::abort();
    }
  } catch (const qsweep::Error&) {
  }
  return 0;
}
