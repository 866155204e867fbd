#pragma once

#include <cstdint>
#include <vector>

namespace qsweep {

/// Counter-based random numbers: the n-th number of (seed, stream) is a pure function of the three,
/// so results cannot depend on who draws or in which order (SplitMix64 finaliser, Steele et al.
/// 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0);
  std::uint64_t next();
  /// Uniform in [0, bound), unbiased; bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double uniform();
  /// Standard normal (Box-Muller).
  double normal();

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
};

/// 0..n-1 in a random order fixed by (seed, stream): Fisher-Yates.
[[nodiscard]] std::vector<std::int64_t> permutation(std::int64_t n,
                                                    std::uint64_t seed,
                                                    std::uint64_t stream);

}  // namespace qsweep
