#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "src/base/bytes.h"

namespace qsweep {

/// Exact sum of finite floats: integers by weight, so it depends on neither order nor grouping.
/// Holds up to 2^24 terms.
class ExactSum {
 public:
  void add(float v) {
    const auto bits = std::bit_cast<std::uint32_t>(v);
    const std::uint32_t exponent = (bits >> 23) & 0xFFu;
    const std::int64_t fraction = bits & 0x7FFFFFu;
    const std::int64_t mantissa = exponent > 0 ? fraction | (std::int64_t{1} << 23) : fraction;
    const std::uint32_t shift = exponent > 0 ? exponent - 1 : 0;  // v = mantissa * 2^(shift - 149)
    const std::int64_t term = mantissa << (shift % kLimbBits);
    limbs_[shift / kLimbBits] += (bits >> 31) != 0 ? -term : term;
  }
  void merge(const ExactSum& other) {
    for (std::size_t i = 0; i < limbs_.size(); ++i) limbs_[i] += other.limbs_[i];
  }
  /// The sum, rounded; a function of the exact value's limbs alone.
  [[nodiscard]] double value() const {
    double sum = 0.0;
    for (std::size_t i = limbs_.size(); i-- > 0;)
      sum += std::ldexp(static_cast<double>(limbs_[i]), static_cast<int>(i * kLimbBits) - 149);
    return sum;
  }
  void write(ByteWriter& out) const {
    for (std::int64_t limb : limbs_) out.i64(limb);
  }
  static ExactSum read(ByteReader& in) {
    ExactSum s;
    for (std::int64_t& limb : s.limbs_) limb = in.i64();
    return s;
  }
  friend bool operator==(const ExactSum&, const ExactSum&) = default;

 private:
  static constexpr std::uint32_t kLimbBits = 16;
  std::array<std::int64_t, 16> limbs_{};
};

}  // namespace qsweep
