#pragma once

#include <cstdint>

#include "src/base/bytes.h"

namespace qsweep {

/// crc32c() (hash.h) without the CPU's instruction: what it falls back on, and its tests ask.
[[nodiscard]] std::uint32_t crc32c_by_table(ByteView bytes, std::uint32_t seed = 0);

}  // namespace qsweep
