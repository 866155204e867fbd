#include "src/quant/layer_inputs.h"

#include <algorithm>
#include <cmath>

#include "src/base/error.h"

namespace qsweep {
namespace {

std::uint64_t bounded(ByteReader& in, std::uint64_t count, std::size_t element_bytes) {
  if (count > in.remaining() / element_bytes)
    throw Error(ErrorCode::corrupt_input, "a record claims more values than it holds");
  return count;
}

}  // namespace

void LayerInputs::add_image(std::span<const float> values, std::int64_t inner) {
  const auto channels = static_cast<std::size_t>(sample.channels);
  const auto run = static_cast<std::size_t>(inner);
  QSWEEP_CHECK(channels > 0 && run > 0 && values.size() % (channels * run) == 0);
  if (values.empty()) return;
  low.resize(channels, 0.0f);
  high.resize(channels, 0.0f);
  magnitude.resize(channels);
  std::vector<double> sums(channels, 0.0);
  for (std::size_t at = 0, c = 0; at < values.size(); at += run, c = (c + 1) % channels) {
    for (const float x : values.subspan(at, run)) {
      low[c] = std::min(low[c], x);
      high[c] = std::max(high[c], x);
      sums[c] += std::fabs(double{x});
    }
  }
  const std::size_t each = values.size() / channels;
  for (std::size_t c = 0; c < channels; ++c)
    magnitude[c].add(static_cast<float>(sums[c] / static_cast<double>(each)));
  ++images;
}

void LayerInputs::append(const LayerInputs& next) {
  if (next.images == 0) return;
  if (images == 0) {
    *this = next;
    return;
  }
  QSWEEP_CHECK(low.size() == next.low.size() && sample.area == next.sample.area);
  for (std::size_t c = 0; c < low.size(); ++c) {
    low[c] = std::min(low[c], next.low[c]);
    high[c] = std::max(high[c], next.high[c]);
    magnitude[c].merge(next.magnitude[c]);
  }
  images += next.images;
  sample.values.insert(sample.values.end(), next.sample.values.begin(), next.sample.values.end());
}

std::vector<float> LayerInputs::mean_magnitude() const {
  std::vector<float> means;
  for (const ExactSum& sum : magnitude)
    means.push_back(static_cast<float>(sum.value() / static_cast<double>(images)));
  return means;
}

std::vector<float> LayerInputs::largest() const {
  std::vector<float> result;
  for (std::size_t c = 0; c < low.size(); ++c) result.push_back(std::max(-low[c], high[c]));
  return result;
}

void LayerInputs::write(ByteWriter& out) const {
  out.i64(images);
  out.i64(sample.channels);
  out.i64(sample.area);
  out.i64(sample.groups);
  if (images == 0) return;
  for (std::size_t c = 0; c < low.size(); ++c) {
    out.f32(low[c]);
    out.f32(high[c]);
    magnitude[c].write(out);
  }
  out.u64(sample.values.size());
  out.raw(std::as_bytes(std::span(sample.values)));
}

LayerInputs LayerInputs::read(ByteReader& in) {
  LayerInputs r;
  r.images = in.i64();
  r.sample.channels = in.i64();
  r.sample.area = in.i64();
  r.sample.groups = in.i64();
  if (r.images == 0) return r;
  const auto channels = bounded(in, static_cast<std::uint64_t>(r.sample.channels), 8);
  for (std::uint64_t c = 0; c < channels; ++c) {
    r.low.push_back(in.f32());
    r.high.push_back(in.f32());
    r.magnitude.push_back(ExactSum::read(in));
  }
  r.sample.values.resize(bounded(in, in.u64(), sizeof(float)));
  const ByteView raw = in.raw(r.sample.values.size() * sizeof(float));
  std::copy(raw.begin(), raw.end(), std::as_writable_bytes(std::span(r.sample.values)).begin());
  return r;
}

}  // namespace qsweep
