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
};

struct Rules {
  std::string mode, coordinates, rounding;
  bool exclude_outside = false;
  float cubic = -0.75f;
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
};

Filter make_filter(const OpCall& call, const Rules& rules, const Axis& axis) {
  Filter filter;
  filter.taps = rules.mode == "nearest" ? 1 : rules.mode == "linear" ? 2 : 4;
  for (std::int64_t i = 0; i < axis.output; ++i) {
    const float x = source_coordinate(call, rules, axis, i);
    if (rules.mode == "nearest") {
      filter.index.push_back(
          std::clamp<std::int64_t>(nearest(call, rules.rounding, x), 0, axis.input - 1));
      filter.weight.push_back(1.0f);
      continue;
    }
    const float whole = std::floor(x);
    const float t = x - whole;
    std::array<float, 4> weights{};
    if (rules.mode == "linear") {
      weights = {1.0f - t, t};
    } else {
      // Keys' cubic: taps at distances 1 + t, t, 1 - t and 2 - t.
      const float a = rules.cubic;
      const auto near = [a](float d) { return ((a + 2.0f) * d - (a + 3.0f)) * d * d + 1.0f; };
      const auto far = [a](float d) { return ((a * d - 5.0f * a) * d + 8.0f * a) * d - 4.0f * a; };
      weights = {far(1.0f + t), near(t), near(1.0f - t), far(2.0f - t)};
    }
    const std::int64_t first = static_cast<std::int64_t>(whole) - (filter.taps == 4 ? 1 : 0);
    float total = 0.0f;
    for (std::size_t k = 0; k < filter.taps; ++k) {
      const std::int64_t place = first + static_cast<std::int64_t>(k);
      const bool outside = place < 0 || place >= axis.input;
      if (outside && rules.exclude_outside) weights[k] = 0.0f;
      total += weights[k];
      filter.index.push_back(std::clamp<std::int64_t>(place, 0, axis.input - 1));
    }
    for (std::size_t k = 0; k < filter.taps; ++k) {
      filter.weight.push_back(rules.exclude_outside ? weights[k] / total : weights[k]);
    }
  }
  return filter;
}

/// Applies the filter along one axis.
Tensor filter_axis(const Tensor& x, std::size_t axis, const Filter& filter, std::int64_t output) {
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
  if (call.attributes.s("keep_aspect_ratio_policy", "stretch") != "stretch")
    refuse(call, "with keep_aspect_ratio_policy has no kernel");
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
              a.i("exclude_outside", 0) != 0, a.f("cubic_coeff_a", -0.75f)};
  if (rules.mode == "bilinear") rules.mode = "linear";  // Upsample-1
  if (rules.mode != "nearest" && rules.mode != "linear" && rules.mode != "cubic")
    fail(call, "has mode '" + rules.mode + "'");
  if (a.i("antialias", 0) != 0) refuse(call, "with antialias has no kernel");
  if (rules.mode != "nearest") require_f32(call, x);
  const std::vector<Axis> axes = resolve_axes(call, inputs);
  Shape shape;
  for (const Axis& axis : axes) shape.push_back(axis.output);
  (void)make_result(call, x.dtype(), shape);
  Tensor y = x;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const bool same = axes[i].input == axes[i].output && axes[i].scale == 1.0f;
    if (!same) y = filter_axis(y, i, make_filter(call, rules, axes[i]), axes[i].output);
  }
  return {y};
}

}  // namespace qsweep::detail
