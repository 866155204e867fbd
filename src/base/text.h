#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qsweep {

/// Damerau-Levenshtein distance.
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

/// Up to `count` candidates nearest to `name`, best first; ties in the order given. Candidates that
/// share nothing useful (distance over half of the longer length) are left out.
[[nodiscard]] std::vector<std::string> nearest_names(std::string_view name,
                                                     std::span<const std::string> candidates,
                                                     int count = 3);

/// A hint such as `Did you mean 'conv1' or 'conv2'?`, or empty when nothing is near.
[[nodiscard]] std::string did_you_mean(std::string_view name,
                                       std::span<const std::string> candidates);

/// Shell-style match over the whole text: `*` any run, `?` one character, `[abc]` a set.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

[[nodiscard]] std::string join(std::span<const std::string> parts, std::string_view separator);
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
[[nodiscard]] std::string_view trim(std::string_view text);

/// `1.5 KiB`, `320 B`, `12 MiB`.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// `3m12s`, `12.3s`, `2h05m`.
[[nodiscard]] std::string human_seconds(double seconds);

}  // namespace qsweep
