#include "src/quant/weight.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include <fmt/format.h>

#include "src/base/text.h"

#include "src/quant/detail/runs.h"
#include "src/quant/rounding.h"

namespace qsweep {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"rtn",      "mse",      "awq_lite",
                                                    "awq_clip", "awq_full", "smoothquant"};
constexpr std::array kAlgorithms = {WeightAlgorithm::rtn,      WeightAlgorithm::mse,
                                    WeightAlgorithm::awq_lite, WeightAlgorithm::awq_clip,
                                    WeightAlgorithm::awq_full, WeightAlgorithm::smoothquant};

/// Clips tried by the mse algorithm, as shares of the largest magnitude. 1 is among them, so it
/// never loses to rtn.
constexpr int kClipSteps = 40;
constexpr double kLeastClip = 0.3;

/// The axis that a weight's scales run along.
int scale_axis(WeightAxes axes, const Format& format) {
  if (format.granularity == Granularity::per_tensor) return -1;
  return format.granularity == Granularity::per_channel ? axes.output : axes.input;
}

std::int64_t deployed_bytes(std::int64_t elements, std::int64_t slices, const Format& format) {
  const auto packed = [&](std::int64_t n) { return (n * stored_bits(format.dtype) + 7) / 8; };
  if (!has_scale(format)) return packed(elements);
  const bool zero_points = is_integer(format.dtype) && !format.symmetric;
  const std::int64_t scale_bytes = format.scale == ScaleFormat::f32 ? 4 : 1;
  const std::int64_t tensor_scale_bytes = format.scale == ScaleFormat::e4m3 ? 4 : 0;
  return packed(elements) + scale_bytes * slices + tensor_scale_bytes +
         (zero_points ? packed(slices) : 0);
}

struct SliceRange {
  float min = 0.0f;
  float max = 0.0f;
};

std::vector<SliceRange> slice_ranges(std::span<const float> values, const detail::Cut& cut) {
  std::vector<SliceRange> ranges(cut.slices());
  detail::for_each_run(cut, [&](const detail::Run& run) {
    if (run.stride == 0) {
      const rounding::Extremes e = rounding::extremes(values.data() + run.at, run.count);
      SliceRange& r = ranges[run.slice];
      r.min = std::min(r.min, e.min);
      r.max = std::max(r.max, e.max);
      return;
    }
    for (std::size_t i = 0; i < run.count; ++i) {
      SliceRange& r = ranges[run.slice + i];
      r.min = std::min(r.min, values[run.at + i]);
      r.max = std::max(r.max, values[run.at + i]);
    }
  });
  return ranges;
}

/// A weight's values with those of each slice side by side: slice s is values[begin[s],
/// begin[s+1]).
struct Gathered {
  std::vector<float> values;
  std::vector<std::size_t> begin;
};

Gathered gather(std::span<const float> values, const detail::Cut& cut) {
  Gathered g{std::vector<float>(values.size()), std::vector<std::size_t>(cut.slices() + 1, 0)};
  const auto each = [&](auto&& f) {
    detail::for_each_run(cut, [&](const detail::Run& run) {
      for (std::size_t i = 0; i < run.count; ++i) f(run.at + i, run.slice + i * run.stride);
    });
  };
  each([&](std::size_t, std::size_t slice) { ++g.begin[slice + 1]; });
  std::partial_sum(g.begin.begin(), g.begin.end(), g.begin.begin());
  std::vector<std::size_t> next = g.begin;
  each([&](std::size_t at, std::size_t slice) { g.values[next[slice]++] = values[at]; });
  return g;
}

/// Parameters of one slice of a tensor.
QuantParams slice_params(SliceRange range, const Format& format, float tensor_scale) {
  QuantParams p = params_from_range(range.min, range.max, format);
  if (format.scale != ScaleFormat::f32)
    p.scale = {block_scale(std::max(-range.min, range.max), format, tensor_scale)};
  return p;
}

/// What the block scales of a weight are multiplied with; 1 where they stand for themselves.
float tensor_scale_of(const std::vector<SliceRange>& ranges, const Format& format) {
  SliceRange whole;
  for (const SliceRange& r : ranges)
    whole = {std::min(whole.min, r.min), std::max(whole.max, r.max)};
  return params_from_range(whole.min, whole.max, format).tensor_scale;
}

/// The share of the range with the least squared error over a slice; the widest of equals.
float best_clip(std::span<const float> slice, SliceRange range, Format format, float tensor_scale) {
  format.granularity = Granularity::per_tensor;
  const auto values = Tensor::of(DType::f32, {static_cast<std::int64_t>(slice.size())}, slice);
  float best = 1.0f;
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step <= kClipSteps; ++step) {
    const auto share = static_cast<float>(1.0 - (1.0 - kLeastClip) * step / kClipSteps);
    const Tensor rounded = fake_quantize(
        values, slice_params({range.min * share, range.max * share}, format, tensor_scale));
    const double error =
        rounding::squared_error(slice.data(), rounded.data<float>().data(), slice.size());
    if (error < least) {
      least = error;
      best = share;
    }
  }
  return best;
}

QuantParams params_for(const std::vector<SliceRange>& ranges,
                       std::span<const float> clip,
                       const Format& format,
                       int axis,
                       float tensor_scale) {
  QuantParams all;
  all.format = format;
  all.axis = axis;
  all.tensor_scale = tensor_scale;
  for (std::size_t s = 0; s < ranges.size(); ++s) {
    const QuantParams one =
        slice_params({ranges[s].min * clip[s], ranges[s].max * clip[s]}, format, tensor_scale);
    all.scale.push_back(one.scale.at(0));
    if (!one.zero_point.empty()) all.zero_point.push_back(one.zero_point[0]);
  }
  return all;
}

}  // namespace

WeightAlgorithm parse_weight_algorithm(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<WeightAlgorithm>(i);
  }
  throw Error(ErrorCode::config, fmt::format("unknown weight algorithm '{}'", name),
              "quantization.algorithm",
              "Use rtn, mse, awq_lite, awq_clip, awq_full or smoothquant");
}

std::span<const WeightAlgorithm> all_weight_algorithms() {
  return kAlgorithms;
}

std::string_view name_of(WeightAlgorithm algorithm) {
  return kNames.at(static_cast<std::size_t>(algorithm));
}

Tensor QuantizedWeight::dequantized() const {
  return has_scale(params.format) ? dequantize(codes, params) : codes;
}

std::int64_t QuantizedWeight::stored_bytes() const {
  return deployed_bytes(codes.size(), static_cast<std::int64_t>(params.scale.size()),
                        params.format);
}

QuantizedWeight quantize_weight(const Tensor& weight,
                                WeightAxes axes,
                                const Format& format,
                                WeightAlgorithm algorithm) {
  const auto values = weight.data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      throw Error(ErrorCode::numeric, fmt::format("weight element {} is not finite", i));
  }
  if (!has_scale(format)) {
    QuantParams params;
    params.format = format;
    return {fake_quantize(weight, params), params};
  }
  const int axis = scale_axis(axes, format);
  const detail::Cut cut(weight.shape(), format, axis);
  const std::vector<SliceRange> ranges = slice_ranges(values, cut);
  const float tensor_scale = tensor_scale_of(ranges, format);
  std::vector<float> clip(ranges.size(), 1.0f);
  if (algorithm == WeightAlgorithm::mse) {
    const Gathered g = gather(values, cut);
    for (std::size_t s = 0; s < ranges.size(); ++s) {
      clip[s] = best_clip(std::span(g.values).subspan(g.begin[s], g.begin[s + 1] - g.begin[s]),
                          ranges[s], format, tensor_scale);
    }
  }
  const QuantParams params = params_for(ranges, clip, format, axis, tensor_scale);
  return {quantize(weight, params), params};
}

QuantizedWeight quantize_clipped(const Tensor& weight,
                                 WeightAxes axes,
                                 const Format& format,
                                 std::span<const float> clip) {
  QSWEEP_CHECK(has_scale(format));
  const int axis = scale_axis(axes, format);
  const detail::Cut cut(weight.shape(), format, axis);
  const std::vector<SliceRange> ranges = slice_ranges(weight.data<float>(), cut);
  QSWEEP_CHECK(clip.size() == ranges.size());
  const QuantParams params =
      params_for(ranges, clip, format, axis, tensor_scale_of(ranges, format));
  return {quantize(weight, params), params};
}

std::vector<std::uint32_t> weight_slices(const Shape& shape,
                                         WeightAxes axes,
                                         const Format& format) {
  if (!has_scale(format)) return {};
  std::vector<std::uint32_t> slices(static_cast<std::size_t>(element_count(shape)));
  detail::for_each_run(
      detail::Cut(shape, format, scale_axis(axes, format)), [&](const detail::Run& run) {
        for (std::size_t i = 0; i < run.count; ++i)
          slices[run.at + i] = static_cast<std::uint32_t>(run.slice + i * run.stride);
      });
  return slices;
}

std::int64_t stored_weight_bytes(const Shape& shape, WeightAxes axes, const Format& format) {
  const detail::Cut cut(shape, format, scale_axis(axes, format));
  return deployed_bytes(element_count(shape), static_cast<std::int64_t>(cut.slices()), format);
}

}  // namespace qsweep
