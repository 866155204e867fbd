#pragma once

#include <cstdint>
#include <span>

#include "src/base/bytes.h"

namespace qsweep {

/// Sums from which the error of a tensor against its reference follows, within 4e-6 of exact ones;
/// accumulated in a fixed order within an image, images combined in sample order by the caller, so
/// any split of the images gives the same bits when merged per image.
struct ErrorSums {
  std::int64_t count = 0;
  double reference_squares = 0.0;  ///< sum x^2
  double value_squares = 0.0;      ///< sum y^2
  double error_squares = 0.0;      ///< sum (x - y)^2
  double products = 0.0;           ///< sum x*y

  /// Adds one image's slice; both of the same length. NaN or infinity shows in every figure below.
  void add(std::span<const float> reference, std::span<const float> value);
  void merge(const ErrorSums& other);
  void write(ByteWriter& out) const;
  static ErrorSums read(ByteReader& in);

  [[nodiscard]] double mse() const;
  /// 10 log10(sum x^2 / sum (x-y)^2); +inf without error, -inf when only the reference is zero.
  [[nodiscard]] double sqnr_db() const;
  /// Cosine similarity; 1 for two zero tensors, 0 when one is zero.
  [[nodiscard]] double cosine() const;
  /// sqrt(sum (x-y)^2 / sum x^2); 0 without error, +inf when only the reference is zero.
  [[nodiscard]] double relative_error() const;
};

}  // namespace qsweep
