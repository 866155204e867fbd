// A COCO instances file: any bytes are annotations that refer to what is listed, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "src/base/error.h"

#include "io/data/detection_data.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const qsweep::Annotations all =
        qsweep::parse_annotations({reinterpret_cast<const std::byte*>(data), size}, "fuzz.json");
    for (const qsweep::TruthBox& t : all.truths) {
      if (t.image < 0 || static_cast<std::size_t>(t.image) >= all.pictures.size() ||
          t.category < 0 || static_cast<std::size_t>(t.category) >= all.categories.size())
        std::abort();
    }
  } catch (const qsweep::Error&) {
  }
  return 0;
}
