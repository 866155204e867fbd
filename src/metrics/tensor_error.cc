#include "src/metrics/tensor_error.h"

#include <array>
#include <cmath>
#include <limits>

#include "src/base/error.h"
#include "src/base/vector_clones.h"

namespace qsweep {

namespace {

// Fixed lanes, summed in a fixed order: vectorises, and the same bits on every instruction set.
constexpr std::size_t kLanes = 8;
struct Lanes {
  std::array<double, kLanes> xx{}, yy{}, dd{}, xy{};
};

QSWEEP_VECTOR_CLONES void add_lanes(const float* reference,
                                    const float* value,
                                    std::size_t n,
                                    Lanes& to) {
  Lanes l;  // its address stays here, so that the sums live in registers
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto x = static_cast<double>(reference[i + lane]);
      const auto y = static_cast<double>(value[i + lane]);
      const double d = x - y;
      l.xx[lane] += x * x;
      l.yy[lane] += y * y;
      l.dd[lane] += d * d;
      l.xy[lane] += x * y;
    }
  }
  for (; i < n; ++i) {
    const auto x = static_cast<double>(reference[i]);
    const auto y = static_cast<double>(value[i]);
    l.xx[0] += x * x;
    l.yy[0] += y * y;
    l.dd[0] += (x - y) * (x - y);
    l.xy[0] += x * y;
  }
  to = l;
}

}  // namespace

void ErrorSums::add(std::span<const float> reference, std::span<const float> value) {
  QSWEEP_CHECK(reference.size() == value.size());
  Lanes lanes;
  add_lanes(reference.data(), value.data(), reference.size(), lanes);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    reference_squares += lanes.xx[lane];
    value_squares += lanes.yy[lane];
    error_squares += lanes.dd[lane];
    products += lanes.xy[lane];
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
