#include "src/base/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep {

Random::Random(std::uint64_t seed, std::uint64_t stream)
    : key_(mix64(mix64(seed, 0x5eed), stream)) {}

std::uint64_t Random::next() {
  return mix64(key_, ++counter_);
}

std::uint64_t Random::below(std::uint64_t bound) {
  QSWEEP_CHECK(bound > 0);
  const std::uint64_t limit =
      -bound % bound;  // 2^64 mod bound: values under it would favour small results
  for (;;) {
    const std::uint64_t v = next();
    if (v >= limit) return v % bound;
  }
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

double Random::normal() {
  const double u = 1.0 - uniform();  // in (0, 1]
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
}

std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t stream) {
  QSWEEP_CHECK(n >= 0);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Random random(seed, stream);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace qsweep
