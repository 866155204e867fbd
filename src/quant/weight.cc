#include "src/quant/weight.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "src/base/text.h"

#include "src/quant/rounding.h"

namespace qsweep {
namespace {

constexpr std::array<std::string_view, 2> kNames = {"rtn", "mse"};

/// Clips tried by the mse algorithm, as shares of the largest magnitude. 1 is among them, so it
/// never loses to rtn.
constexpr int kClipSteps = 40;
constexpr double kLeastClip = 0.3;

bool has_scale(const Format& f) {
  return f.dtype != DType::f32 && f.dtype != DType::f16 && f.dtype != DType::bf16;
}

/// How a weight is cut into slices that share a scale: element e belongs to slice_of[e].
struct Slices {
  int axis = -1;
  std::size_t count = 1;
  std::vector<std::uint32_t> slice_of;
};

Slices slices_of(const Shape& shape, WeightAxes axes, const Format& format) {
  Slices s;
  const auto elements = static_cast<std::size_t>(element_count(shape));
  s.slice_of.assign(elements, 0);
  if (format.granularity == Granularity::per_tensor) return s;
  s.axis = format.granularity == Granularity::per_channel ? axes.output : axes.input;
  std::size_t inner = 1;
  for (std::size_t i = static_cast<std::size_t>(s.axis) + 1; i < shape.size(); ++i)
    inner *= static_cast<std::size_t>(shape[i]);
  const auto extent = static_cast<std::size_t>(shape.at(static_cast<std::size_t>(s.axis)));
  const bool blocked = format.granularity == Granularity::per_block;
  const std::size_t block = blocked ? static_cast<std::size_t>(format.block_size) : 1;
  const std::size_t blocks = (extent + block - 1) / block;
  const std::size_t outer = extent * inner == 0 ? 0 : elements / (extent * inner);
  s.count = blocked ? outer * blocks * inner : extent;
  for (std::size_t e = 0; e < elements; ++e) {
    const std::size_t i = e % inner, k = e / inner % extent, o = e / inner / extent;
    s.slice_of[e] = static_cast<std::uint32_t>(blocked ? (o * blocks + k / block) * inner + i : k);
  }
  return s;
}

struct SliceRange {
  float min = 0.0f;
  float max = 0.0f;
};

/// Squared error of each slice when all ranges shrink to `clip` of their width.
std::vector<double> slice_errors(const Tensor& weight,
                                 const QuantParams& params,
                                 const Slices& slices) {
  const Tensor rounded = fake_quantize(weight, params);
  const auto x = weight.data<float>();
  const auto y = rounded.data<float>();
  std::vector<double> errors(slices.count, 0.0);
  for (std::size_t e = 0; e < x.size(); ++e) {
    const double d = static_cast<double>(x[e]) - static_cast<double>(y[e]);
    errors[slices.slice_of[e]] += d * d;
  }
  return errors;
}

QuantParams params_for(const std::vector<SliceRange>& ranges,
                       const std::vector<float>& clip,
                       const Format& format,
                       int axis) {
  QuantParams all;
  all.format = format;
  all.axis = axis;
  for (std::size_t s = 0; s < ranges.size(); ++s) {
    const QuantParams one =
        params_from_range(ranges[s].min * clip[s], ranges[s].max * clip[s], format);
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
  const std::vector<std::string> names(kNames.begin(), kNames.end());
  throw Error(ErrorCode::config, fmt::format("unknown weight algorithm '{}'", name),
              "quantization.algorithm", "Use rtn or mse");
}

std::string_view name_of(WeightAlgorithm algorithm) {
  return kNames.at(static_cast<std::size_t>(algorithm));
}

Tensor QuantizedWeight::dequantized() const {
  return has_scale(params.format) ? dequantize(codes, params) : codes;
}

std::int64_t QuantizedWeight::stored_bytes() const {
  const std::int64_t scales = static_cast<std::int64_t>(params.scale.size());
  const std::int64_t code_bytes = (codes.size() * stored_bits(params.format.dtype) + 7) / 8;
  const std::int64_t zero_points =
      (static_cast<std::int64_t>(params.zero_point.size()) * stored_bits(params.format.dtype) + 7) /
      8;
  return code_bytes + 4 * scales + zero_points;
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
  const Slices slices = slices_of(weight.shape(), axes, format);
  std::vector<SliceRange> ranges(slices.count);
  for (std::size_t e = 0; e < values.size(); ++e) {
    SliceRange& r = ranges[slices.slice_of[e]];
    r.min = std::min(r.min, values[e]);
    r.max = std::max(r.max, values[e]);
  }
  std::vector<float> clip(slices.count, 1.0f);
  QuantParams params = params_for(ranges, clip, format, slices.axis);
  if (algorithm == WeightAlgorithm::mse) {
    std::vector<double> best = slice_errors(weight, params, slices);
    for (int step = 1; step <= kClipSteps; ++step) {
      const auto share = static_cast<float>(1.0 - (1.0 - kLeastClip) * step / kClipSteps);
      const QuantParams candidate =
          params_for(ranges, std::vector<float>(slices.count, share), format, slices.axis);
      const std::vector<double> errors = slice_errors(weight, candidate, slices);
      for (std::size_t s = 0; s < slices.count; ++s) {
        if (errors[s] < best[s]) {
          best[s] = errors[s];
          clip[s] = share;
        }
      }
    }
    params = params_for(ranges, clip, format, slices.axis);
  }
  return {quantize(weight, params), params};
}

std::int64_t stored_weight_bytes(const Shape& shape, WeightAxes axes, const Format& format) {
  const std::int64_t elements = element_count(shape);
  std::int64_t bytes = (elements * stored_bits(format.dtype) + 7) / 8;
  if (!has_scale(format)) return bytes;
  std::int64_t slices = 1;
  if (format.granularity == Granularity::per_channel)
    slices = shape.at(static_cast<std::size_t>(axes.output));
  if (format.granularity == Granularity::per_block) {
    const std::int64_t extent = shape.at(static_cast<std::size_t>(axes.input));
    slices = extent == 0
                 ? 0
                 : elements / extent * ((extent + format.block_size - 1) / format.block_size);
  }
  bytes += 4 * slices;
  if (!format.symmetric && is_integer(format.dtype))
    bytes += (slices * stored_bits(format.dtype) + 7) / 8;
  return bytes;
}

}  // namespace qsweep
