#pragma once

#include <string>
#include <string_view>

#include "io/timings/timings.h"

/// One reader for each kind of file; see read_timings().
namespace qsweep::timings {

[[nodiscard]] bool looks_like_json(std::string_view text);
[[nodiscard]] Timings read_json(std::string_view text,
                                const std::string& model,
                                const std::string& where);

[[nodiscard]] bool looks_like_trtexec(std::string_view text);
[[nodiscard]] Timings read_trtexec(std::string_view text,
                                   const std::string& model,
                                   const std::string& where);

[[nodiscard]] Timings read_csv(std::string_view text, const std::string& where);

/// A time as text. @throws Error(corrupt_input) unless it is a finite number from 0 on
[[nodiscard]] double parse_time(std::string_view text, const std::string& where);

}  // namespace qsweep::timings
