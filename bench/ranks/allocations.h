#pragma once

#include <cstddef>

namespace qsweep::bench {

/// Bytes that this program has asked operator new for so far. What is copied has to lie somewhere.
[[nodiscard]] std::size_t allocated_bytes();

}  // namespace qsweep::bench
