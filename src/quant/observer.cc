#include "src/quant/observer.h"

#include <algorithm>
#include <cmath>

#include "src/base/error.h"

#include "src/quant/rounding.h"

namespace qsweep {
namespace {

/// Seven bits a byte, the lowest first; the top bit says that more follow. Most counts of a chunk
/// of images are small, and every chunk's are kept.
void write_count(ByteWriter& out, std::uint64_t count) {
  for (; count >= 0x80u; count >>= 7) out.u8(static_cast<std::uint8_t>(count | 0x80u));
  out.u8(static_cast<std::uint8_t>(count));
}

std::uint64_t read_count(ByteReader& in) {
  std::uint64_t count = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = in.u8();
    count |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80u) return count;
  }
  throw Error(ErrorCode::corrupt_input, "a histogram count is over 64 bits");
}

}  // namespace

void TensorStats::add_range(std::span<const float> values) {
  if (values.empty()) return;
  const rounding::Extremes e = rounding::extremes(values.data(), values.size());
  if (!e.finite) throw Error(ErrorCode::numeric, "an activation is NaN or infinite");
  ++images_;
  min_ = images_ == 1 ? e.min : std::min(min_, e.min);
  max_ = images_ == 1 ? e.max : std::max(max_, e.max);
  minima_.add(e.min);
  maxima_.add(e.max);
}

double TensorStats::amax() const {
  return std::max(std::fabs(static_cast<double>(min_)), std::fabs(static_cast<double>(max_)));
}

double TensorStats::mean_min() const {
  return minima_.value() / static_cast<double>(images_);
}

double TensorStats::mean_max() const {
  return maxima_.value() / static_cast<double>(images_);
}

TensorStats TensorStats::empty_histogram() const {
  TensorStats h;
  h.min_ = min_;
  h.max_ = max_;
  h.counts_.assign(kBins, 0);
  return h;
}

void TensorStats::add_histogram(std::span<const float> values) {
  QSWEEP_CHECK(counts_.size() == kBins);
  constexpr double kMiddle = kBins / 2;
  const double bins_per_unit = amax() > 0.0 ? kMiddle / amax() : 0.0;
  for (float v : values) {
    const double bin = kMiddle + std::floor(static_cast<double>(v) * bins_per_unit);
    ++counts_[static_cast<std::size_t>(std::clamp(bin, 0.0, kBins - 1.0))];
    zeros_ += v == 0.0f ? 1 : 0;
  }
}

void TensorStats::take_histogram(const TensorStats& counted) {
  QSWEEP_CHECK(counted.min_ == min_ && counted.max_ == max_);
  counts_ = counted.counts_;
  zeros_ = counted.zeros_;
}

void TensorStats::merge(const TensorStats& other) {
  if (!counts_.empty() || !other.counts_.empty()) {
    QSWEEP_CHECK(counts_.size() == other.counts_.size() && min_ == other.min_ &&
                 max_ == other.max_);
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  } else if (other.images_ > 0) {
    min_ = images_ == 0 ? other.min_ : std::min(min_, other.min_);
    max_ = images_ == 0 ? other.max_ : std::max(max_, other.max_);
  }
  images_ += other.images_;
  minima_.merge(other.minima_);
  maxima_.merge(other.maxima_);
  zeros_ += other.zeros_;
}

void TensorStats::write(ByteWriter& out) const {
  out.f32(min_);
  out.f32(max_);
  out.i64(images_);
  minima_.write(out);
  maxima_.write(out);
  out.u64(zeros_);
  out.u8(counts_.empty() ? 0 : 1);
  for (std::uint64_t c : counts_) write_count(out, c);
}

TensorStats TensorStats::read(ByteReader& in) {
  TensorStats s;
  s.min_ = in.f32();
  s.max_ = in.f32();
  s.images_ = in.i64();
  s.minima_ = ExactSum::read(in);
  s.maxima_ = ExactSum::read(in);
  s.zeros_ = in.u64();
  if (in.u8() != 0) {
    s.counts_.resize(kBins);
    for (std::uint64_t& c : s.counts_) c = read_count(in);
  }
  return s;
}

}  // namespace qsweep
