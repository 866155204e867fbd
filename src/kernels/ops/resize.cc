#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {
namespace {

/// One axis of a resize: where each output coordinate reads from.
struct Axis {
  std::int64_t input = 1, output = 1;
  float scale = 1.0f;
  float begin = 0.0f, end = 1.0f;  ///< tf_crop_and_resize: the part of the input, in its extents
};

struct Rules {
  std::string mode, coordinates, rounding;
  bool exclude_outside = false;
  bool antialias = false;  ///< where it shrinks, the filter covers what an output pixel covers
  float cubic = -0.75f;
  float outside = 0.0f;  ///< tf_crop_and_resize: the value beyond the input
};

/// The input coordinate that output coordinate i stands for.
float source_coordinate(const OpCall& call, const Rules& rules, const Axis& axis, std::int64_t i) {
  const auto x = static_cast<float>(i);
  const auto in = static_cast<float>(axis.input);
  const auto out = static_cast<float>(axis.output);
  if (rules.coordinates == "asymmetric") return x / axis.scale;
  if (rules.coordinates == "align_corners") {
    // Where the scaled extent has a fraction, the spec's examples and ONNX Runtime disagree on
    // "last".
    if (std::fabs(axis.scale * in - out) > 1e-3f)
      refuse(call, "with align_corners and a fractional extent has no kernel");
    return axis.output == 1 ? 0.0f : x * (in - 1.0f) / (out - 1.0f);
  }
  if (rules.coordinates == "pytorch_half_pixel" && axis.output <= 1) return 0.0f;
  if (rules.coordinates == "tf_half_pixel_for_nn") return (x + 0.5f) / axis.scale;
  if (rules.coordinates == "half_pixel" || rules.coordinates == "pytorch_half_pixel")
    return (x + 0.5f) / axis.scale - 0.5f;
  if (rules.coordinates == "half_pixel_symmetric") {
    // The spec centres what the fractional output extent would have covered.
    const float adjustment = out / (axis.scale * in);
    return in / 2.0f * (1.0f - adjustment) + (x + 0.5f) / axis.scale - 0.5f;
  }
  if (rules.coordinates == "tf_crop_and_resize") {
    if (axis.output == 1) return 0.5f * (axis.begin + axis.end) * (in - 1.0f);
    return axis.begin * (in - 1.0f) + x * (axis.end - axis.begin) * (in - 1.0f) / (out - 1.0f);
  }
  refuse(call, "with coordinate_transformation_mode '" + rules.coordinates + "' has no kernel");
}

std::int64_t nearest(const OpCall& call, const std::string& rounding, float x) {
  if (rounding == "round_prefer_floor") return static_cast<std::int64_t>(std::ceil(x - 0.5f));
  if (rounding == "round_prefer_ceil") return static_cast<std::int64_t>(std::floor(x + 0.5f));
  if (rounding == "floor") return static_cast<std::int64_t>(std::floor(x));
  if (rounding == "ceil") return static_cast<std::int64_t>(std::ceil(x));
  fail(call, "has nearest_mode '" + rounding + "'");
}

/// What each output coordinate of an axis is a weighted sum of: `taps` inputs each.
struct Filter {
  std::size_t taps = 1;
  Ints index;
  std::vector<float> weight;
  Ints outside;  ///< output coordinates that get Rules::outside
};

/// The kernel at a distance in pixels: a triangle, or Keys' cubic.
float kernel_value(const Rules& rules, float distance) {
  const float d = std::fabs(distance);
  if (rules.mode == "linear") return std::max(0.0f, 1.0f - d);
  const float a = rules.cubic;
  if (d <= 1.0f) return ((a + 2.0f) * d - (a + 3.0f)) * d * d + 1.0f;
  return d < 2.0f ? ((a * d - 5.0f * a) * d + 8.0f * a) * d - 4.0f * a : 0.0f;
}

Filter make_filter(const OpCall& call, const Rules& rules, const Axis& axis) {
  Filter filter;
  // Shrinking with antialias stretches the kernel by 1 / scale.
  const float stretch = rules.antialias ? std::max(1.0f, 1.0f / axis.scale) : 1.0f;
  const auto reach = static_cast<std::int64_t>(
      std::ceil((rules.mode == "linear" ? 1.0f : 2.0f) * stretch));  // taps on either side
  filter.taps = rules.mode == "nearest" ? 1 : static_cast<std::size_t>(2 * reach);
  if (static_cast<std::int64_t>(filter.taps) * axis.output > kMaxElements / 16)
    fail(call, "has an impossible scale");
  for (std::int64_t i = 0; i < axis.output; ++i) {
    const float x = source_coordinate(call, rules, axis, i);
    if (!(std::fabs(x) < 1e12f)) fail(call, "has an impossible region");
    if (rules.coordinates == "tf_crop_and_resize" &&
        (x < 0.0f || x > static_cast<float>(axis.input - 1)))
      filter.outside.push_back(i);
    if (rules.mode == "nearest") {
      filter.index.push_back(
          std::clamp<std::int64_t>(nearest(call, rules.rounding, x), 0, axis.input - 1));
      filter.weight.push_back(1.0f);
      continue;
    }
    const float whole = std::floor(x);
    const std::int64_t first = static_cast<std::int64_t>(whole) - reach + 1;
    const std::size_t begin = filter.weight.size();
    float total = 0.0f;
    for (std::int64_t place = first; place < first + 2 * reach; ++place) {
      const bool outside = place < 0 || place >= axis.input;
      // Whole pixels and the fraction apart: the nearest taps keep their precision.
      const float distance = (x - whole) - static_cast<float>(place - first - reach + 1);
      const float weight =
          outside && rules.exclude_outside ? 0.0f : kernel_value(rules, distance / stretch);
      total += weight;
      filter.weight.push_back(weight);
      filter.index.push_back(std::clamp<std::int64_t>(place, 0, axis.input - 1));
    }
    if (rules.exclude_outside || stretch > 1.0f) {
      for (std::size_t k = begin; k < filter.weight.size(); ++k) filter.weight[k] /= total;
    }
  }
  return filter;
}

/// Applies the filter along one axis.
Tensor filter_axis(
    const Tensor& x, std::size_t axis, const Filter& filter, std::int64_t output, float outside) {
  Shape shape = x.shape();
  shape[axis] = output;
  Tensor y(x.dtype(), shape, x.layout());
  // Everything inside the axis in physical order moves as one run.
  const std::int64_t inner = strides_of(x.shape(), x.layout())[axis];
  const std::int64_t extent = x.shape()[axis];
  const std::int64_t outer = x.size() / (inner * extent);
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for (std::int64_t o = 0; o < outer; ++o, in += extent * inner) {
      for (std::int64_t i = 0; i < output; ++i, out += inner) {
        const std::size_t tap = static_cast<std::size_t>(i) * filter.taps;
        if (filter.taps == 1) {
          std::copy_n(in + filter.index[tap] * inner, inner, out);
          continue;
        }
        if constexpr (sizeof(T) == sizeof(float)) {
          const auto* values = reinterpret_cast<const float*>(in);
          auto* sums = reinterpret_cast<float*>(out);
          std::fill_n(sums, inner, 0.0f);
          for (std::size_t k = 0; k < filter.taps; ++k) {
            add_scaled(values + filter.index[tap + k] * inner, filter.weight[tap + k], sums, inner);
          }
        }
      }
      if constexpr (sizeof(T) == sizeof(float)) {
        for (const std::int64_t i : filter.outside)
          std::fill_n(reinterpret_cast<float*>(out) - (output - i) * inner, inner, outside);
      }
    }
  });
  return y;
}

/// Extents and scales asked for, from whichever of scales and sizes the node carries.
std::vector<Axis> resolve_axes(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const bool upsample = call.op == "Upsample";
  const std::size_t scales_at = upsample || call.opset < 11 ? 1 : 2;
  std::vector<float> scales = call.attributes.floats("scales");
  if (has(inputs, scales_at)) scales = float_values(call, inputs[scales_at]);
  const Ints sizes = has(inputs, 3) && !upsample ? int_values(call, inputs[3]) : Ints{};
  const Ints subset = call.attributes.ints("axes");
  const std::string policy = call.attributes.s("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    fail(call, "has keep_aspect_ratio_policy '" + policy + "'");
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < x.shape().size() && subset.empty(); ++i) order.push_back(i);
  for (const std::int64_t axis : subset) order.push_back(resolve_axis(call, axis, x.rank()));
  if (scales.empty() == sizes.empty()) fail(call, "needs either scales or sizes");
  if ((sizes.empty() ? scales.size() : sizes.size()) != order.size())
    fail(call, "has scales or sizes that do not fit " + to_string(x.shape()));
  std::vector<Axis> axes(x.shape().size());
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = {x.shape()[i], x.shape()[i], 1.0f};
  for (std::size_t i = 0; i < order.size(); ++i) {
    Axis& axis = axes[order[i]];
    if (axis.input < 1) fail(call, "has an empty input");
    if (sizes.empty()) {
      if (!(scales[i] > 0.0f) || !(scales[i] <= 1e6f)) fail(call, "has an impossible scale");
      axis.scale = scales[i];
      axis.output = static_cast<std::int64_t>(
          std::floor(static_cast<double>(axis.input) * static_cast<double>(scales[i])));
    } else {
      if (sizes[i] < 1 || sizes[i] > kMaxElements) fail(call, "has an impossible size");
      axis.output = sizes[i];
      axis.scale = static_cast<float>(sizes[i]) / static_cast<float>(axis.input);
    }
  }
  if (policy != "stretch" && !sizes.empty()) {
    // One scale for all of them, and extents that follow from it.
    float scale = axes[order.at(0)].scale;
    for (const std::size_t i : order) {
      scale =
          policy == "not_larger" ? std::min(scale, axes[i].scale) : std::max(scale, axes[i].scale);
    }
    for (const std::size_t i : order) {
      const double extent =
          std::floor(static_cast<double>(scale) * static_cast<double>(axes[i].input) + 0.5);
      if (extent < 1.0 || extent > static_cast<double>(kMaxElements))
        fail(call, "has an impossible size");
      axes[i].scale = scale;
      axes[i].output = static_cast<std::int64_t>(extent);
    }
  }
  if (call.attributes.s("coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    if (!has(inputs, 1)) fail(call, "needs a region");
    const std::vector<float> region = float_values(call, inputs[1]);
    if (region.size() != 2 * order.size()) fail(call, "has a region of another rank");
    for (std::size_t i = 0; i < order.size(); ++i) {
      axes[order[i]].begin = region[i];
      axes[order[i]].end = region[i + order.size()];
    }
  }
  return axes;
}

}  // namespace

Tensors resize(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const bool early = call.op == "Upsample" || call.opset < 11;
  const Attributes& a = call.attributes;
  Rules rules{a.s("mode", "nearest"),
              a.s("coordinate_transformation_mode", early ? "asymmetric" : "half_pixel"),
              a.s("nearest_mode", early ? "floor" : "round_prefer_floor"),
              a.i("exclude_outside", 0) != 0,
              a.i("antialias", 0) != 0,
              a.f("cubic_coeff_a", -0.75f),
              a.f("extrapolation_value", 0.0f)};
  if (rules.mode == "bilinear") rules.mode = "linear";  // Upsample-1
  if (rules.mode != "nearest" && rules.mode != "linear" && rules.mode != "cubic")
    fail(call, "has mode '" + rules.mode + "'");
  if (rules.antialias && rules.mode == "nearest") fail(call, "has antialias without a filter");
  if (rules.mode != "nearest" || rules.coordinates == "tf_crop_and_resize") require_f32(call, x);
  const std::vector<Axis> axes = resolve_axes(call, inputs);
  Shape shape;
  for (const Axis& axis : axes) shape.push_back(axis.output);
  (void)make_result(call, x.dtype(), shape);
  Tensor y = x;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const bool same = axes[i].input == axes[i].output && axes[i].scale == 1.0f &&
                      axes[i].begin == 0.0f && axes[i].end == 1.0f;
    if (same) continue;
    // ONNX Runtime, and the cases of ONNX 1.5: before opset 11 an axis that shrinks rounds up.
    if (early) rules.rounding = axes[i].scale < 1.0f ? "ceil" : "floor";
    y = filter_axis(y, i, make_filter(call, rules, axes[i]), axes[i].output, rules.outside);
  }
  return {y};
}

}  // namespace qsweep::detail
