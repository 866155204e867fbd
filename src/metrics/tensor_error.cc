#include "src/metrics/tensor_error.h"

#include <array>
#include <cmath>
#include <limits>

#include "src/base/error.h"

namespace qsweep {

void ErrorSums::add(std::span<const float> reference, std::span<const float> value) {
  QSWEEP_CHECK(reference.size() == value.size());
  // Fixed lanes, summed in a fixed order: vectorises, and the same bits on every ISA.
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> xx{}, yy{}, dd{}, xy{};
  const auto one = [&](std::size_t lane, std::size_t i) {
    const auto x = static_cast<double>(reference[i]);
    const auto y = static_cast<double>(value[i]);
    const double d = x - y;
    xx[lane] += x * x;
    yy[lane] += y * y;
    dd[lane] += d * d;
    xy[lane] += x * y;
  };
  std::size_t i = 0;
  for (; i + kLanes <= reference.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) one(lane, i + lane);
  }
  for (; i < reference.size(); ++i) one(0, i);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    reference_squares += xx[lane];
    value_squares += yy[lane];
    error_squares += dd[lane];
    products += xy[lane];
  }
  count += static_cast<std::int64_t>(reference.size());
}

void ErrorSums::merge(const ErrorSums& other) {
  count += other.count;
  reference_squares += other.reference_squares;
  value_squares += other.value_squares;
  error_squares += other.error_squares;
  products += other.products;
}

void ErrorSums::write(ByteWriter& out) const {
  out.i64(count);
  for (double v : {reference_squares, value_squares, error_squares, products}) out.f64(v);
}

ErrorSums ErrorSums::read(ByteReader& in) {
  ErrorSums s;
  s.count = in.i64();
  s.reference_squares = in.f64();
  s.value_squares = in.f64();
  s.error_squares = in.f64();
  s.products = in.f64();
  return s;
}

double ErrorSums::mse() const {
  return count == 0 ? 0.0 : error_squares / static_cast<double>(count);
}

double ErrorSums::sqnr_db() const {
  if (error_squares == 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(reference_squares / error_squares);
}

double ErrorSums::cosine() const {
  if (reference_squares == 0.0 && value_squares == 0.0) return 1.0;
  if (reference_squares == 0.0 || value_squares == 0.0) return 0.0;
  return products / (std::sqrt(reference_squares) * std::sqrt(value_squares));
}

double ErrorSums::relative_error() const {
  if (error_squares == 0.0) return 0.0;
  return std::sqrt(error_squares / reference_squares);
}

}  // namespace qsweep
