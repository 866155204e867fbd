// A JPEG or PNG: any bytes are a picture (or a mask) of its own claimed size, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "src/base/error.h"

#include "io/data/picture.h"

namespace {

/// Calls `decode` and checks that there are `channels` bytes for each pixel.
template <class Decode>
void check(std::int64_t channels, const Decode& decode) {
  try {
    const auto [width, height, values] = decode();
    if (values.size() != static_cast<std::size_t>(channels * width * height)) std::abort();
  } catch (const qsweep::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qsweep::ByteView bytes{reinterpret_cast<const std::byte*>(data), size};
  check(3, [&] { return qsweep::decode_picture(bytes, "fuzz.jpg"); });
  check(1, [&] { return qsweep::decode_mask(bytes, "fuzz.png"); });
  return 0;
}
