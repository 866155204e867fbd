#pragma once

#include <string>

namespace qsweep {

/// Digest of the sources that decide numbers (source_digest.cmake lists their folders), made when
/// the program was built: 16 hexadecimal digits.
[[nodiscard]] std::string source_digest();

}  // namespace qsweep
