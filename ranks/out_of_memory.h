#pragma once

#include <string_view>

namespace qsweep {

/// How the error of a task begins that failed for want of memory: the fault of its surroundings,
/// not its own.
inline constexpr std::string_view kOutOfMemory = "out of memory";

}  // namespace qsweep
