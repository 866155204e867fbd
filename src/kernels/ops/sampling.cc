#include <algorithm>
#include <array>
#include <cmath>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/operator.h"

namespace qsweep::detail {
namespace {

/// How GridSample turns a coordinate into input pixels.
struct SampleRules {
  enum class Mode { nearest, linear, cubic } mode = Mode::linear;
  enum class Padding { zeros, border, reflection } padding = Padding::zeros;
  bool align_corners = false;
};

SampleRules sample_rules(const OpCall& call) {
  SampleRules rules;
  const std::string mode = call.attributes.s("mode", "linear");
  if (mode == "nearest")
    rules.mode = SampleRules::Mode::nearest;
  else if (mode == "cubic" || mode == "bicubic")
    rules.mode = SampleRules::Mode::cubic;
  else if (mode != "linear" && mode != "bilinear")
    fail(call, "has mode '" + mode + "'");
  const std::string padding = call.attributes.s("padding_mode", "zeros");
  if (padding == "border")
    rules.padding = SampleRules::Padding::border;
  else if (padding == "reflection")
    rules.padding = SampleRules::Padding::reflection;
  else if (padding != "zeros")
    fail(call, "has padding_mode '" + padding + "'");
  rules.align_corners = call.attributes.i("align_corners", 0) != 0;
  return rules;
}

/// x mirrored at low and high until it lies between them.
float reflect(float x, float low, float high) {
  const float range = high - low;
  if (range <= 0.0f) return low;
  const float beyond = x < low ? low - x : x > high ? x - high : 0.0f;
  if (beyond == 0.0f) return x;
  const float turns = std::floor(beyond / range);
  const float rest = beyond - turns * range;
  const bool even = std::fmod(turns, 2.0f) == 0.0f;
  return (x < low) == even ? low + rest : high - rest;
}

/// Input positions along one axis and their weights; -1 stands for a zero outside.
struct AxisTaps {
  std::size_t count = 0;
  std::array<std::int64_t, 4> at{};
  std::array<float, 4> weight{};
};

AxisTaps axis_taps(const SampleRules& rules, float grid, std::int64_t extent) {
  const auto n = static_cast<float>(extent);
  const float low = rules.align_corners ? 0.0f : -0.5f;
  const float high = rules.align_corners ? n - 1.0f : n - 0.5f;
  float x =
      rules.align_corners ? (grid + 1.0f) / 2.0f * (n - 1.0f) : ((grid + 1.0f) * n - 1.0f) / 2.0f;
  constexpr float kFar = 1e9f;  // still an integer that fits
  x = std::isnan(x) ? -kFar : std::clamp(x, -kFar, kFar);
  if (rules.mode == SampleRules::Mode::nearest) x = std::nearbyint(x);
  if (x < low || x > high) {
    // A cubic keeps its centre outside and reads the border pixels, as ONNX Runtime and PyTorch do.
    if (rules.padding == SampleRules::Padding::border && rules.mode != SampleRules::Mode::cubic)
      x = std::clamp(x, 0.0f, n - 1.0f);
    if (rules.padding == SampleRules::Padding::reflection) x = reflect(x, low, high);
  }
  AxisTaps taps;
  const float whole = std::floor(x);
  const float t = x - whole;
  auto first = static_cast<std::int64_t>(whole);
  if (rules.mode == SampleRules::Mode::nearest) {
    taps.count = 1;
    taps.weight[0] = 1.0f;
    first = static_cast<std::int64_t>(x);
  } else if (rules.mode == SampleRules::Mode::linear) {
    taps.count = 2;
    taps.weight = {1.0f - t, t};
  } else {
    constexpr float kA = -0.75f;  // Keys' cubic
    const auto near = [](float d) { return ((kA + 2.0f) * d - (kA + 3.0f)) * d * d + 1.0f; };
    const auto far = [](float d) { return ((kA * d - 5.0f * kA) * d + 8.0f * kA) * d - 4.0f * kA; };
    taps.count = 4;
    taps.weight = {far(1.0f + t), near(t), near(1.0f - t), far(2.0f - t)};
    --first;
  }
  for (std::size_t k = 0; k < taps.count; ++k) {
    std::int64_t at = first + static_cast<std::int64_t>(k);
    if (at < 0 || at >= extent) {
      if (rules.padding == SampleRules::Padding::zeros)
        at = -1;
      else if (rules.padding == SampleRules::Padding::border)
        at = std::clamp<std::int64_t>(at, 0, extent - 1);
      else
        at = std::clamp<std::int64_t>(
            static_cast<std::int64_t>(reflect(static_cast<float>(at), low, high)), 0, extent - 1);
    }
    taps.at[k] = at;
  }
  return taps;
}

}  // namespace

Tensors grid_sample(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Tensor& grid = inputs[1];
  require_f32(call, x);
  require_f32(call, grid);
  const SampleRules rules = sample_rules(call);
  const std::size_t axes = x.shape().size() < 3 ? 0 : x.shape().size() - 2;
  if (axes < 1 || axes > 3 || grid.rank() != x.rank() || grid.dim(0) != x.dim(0) ||
      grid.dim(-1) != static_cast<std::int64_t>(axes))
    fail(call, "cannot sample " + to_string(x.shape()) + " at " + to_string(grid.shape()));
  const Ints extents(x.shape().begin() + 2, x.shape().end());
  if (x.size() == 0) fail(call, "has an empty input");
  Shape shape = {x.dim(0), x.dim(1)};
  shape.insert(shape.end(), grid.shape().begin() + 1, grid.shape().end() - 1);
  Tensor y = make_result(call, DType::f32, shape);
  const std::int64_t pixels = product(extents);
  const std::int64_t places = x.dim(0) == 0 ? 0 : grid.size() / x.dim(0) / grid.dim(-1);
  const float* at = grid.data<float>().data();
  std::vector<std::pair<std::int64_t, float>> sources;  // of one place: pixel and weight
  for (std::int64_t n = 0; n < x.dim(0); ++n) {
    for (std::int64_t p = 0; p < places; ++p, at += axes) {
      sources.assign(1, {0, 1.0f});
      for (std::size_t a = 0; a < axes; ++a) {
        // The grid names the innermost axis first.
        const AxisTaps taps = axis_taps(rules, at[axes - 1 - a], extents[a]);
        std::vector<std::pair<std::int64_t, float>> next;
        for (const auto& [pixel, weight] : sources) {
          for (std::size_t k = 0; k < taps.count; ++k) {
            if (taps.at[k] >= 0)
              next.emplace_back(pixel * extents[a] + taps.at[k], weight * taps.weight[k]);
          }
        }
        sources = std::move(next);
      }
      for (std::int64_t c = 0; c < x.dim(1); ++c) {
        const float* image = x.data<float>().data() + (n * x.dim(1) + c) * pixels;
        float total = 0.0f;
        for (const auto& [pixel, weight] : sources) total += image[pixel] * weight;
        y.mutable_data<float>()[static_cast<std::size_t>((n * x.dim(1) + c) * places + p)] = total;
      }
    }
  }
  return {y};
}

namespace {

/// The value of an image between its pixels; 0 more than a pixel outside.
float between(const float* image, std::int64_t height, std::int64_t width, float y, float x) {
  if (!(y >= -1.0f && y <= static_cast<float>(height) && x >= -1.0f &&
        x <= static_cast<float>(width)))
    return 0.0f;
  const auto split = [](float v, std::int64_t extent) {
    v = std::max(v, 0.0f);
    auto low = static_cast<std::int64_t>(v);
    if (low >= extent - 1) return std::tuple{extent - 1, extent - 1, 0.0f};
    return std::tuple{low, low + 1, v - static_cast<float>(low)};
  };
  const auto [top, bottom, ty] = split(y, height);
  const auto [left, right, tx] = split(x, width);
  return (1.0f - ty) * (1.0f - tx) * image[top * width + left] +
         (1.0f - ty) * tx * image[top * width + right] +
         ty * (1.0f - tx) * image[bottom * width + left] + ty * tx * image[bottom * width + right];
}

}  // namespace

Tensors roi_align(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Tensor& rois = inputs[1];
  require_f32(call, x);
  require_f32(call, rois);
  const Attributes& a = call.attributes;
  if (a.s("mode", "avg") != "avg")
    refuse(call, "with mode '" + a.s("mode", "") + "' has no kernel");
  const std::string transform =
      a.s("coordinate_transformation_mode", call.opset < 16 ? "output_half_pixel" : "half_pixel");
  if (transform != "half_pixel" && transform != "output_half_pixel")
    fail(call, "has coordinate_transformation_mode '" + transform + "'");
  const bool half_pixel = transform == "half_pixel";
  const std::int64_t height = a.i("output_height", 1);
  const std::int64_t width = a.i("output_width", 1);
  const std::int64_t sampling = a.i("sampling_ratio", 0);
  const float scale = a.f("spatial_scale", 1.0f);
  const Ints images = int_values(call, inputs[2]);
  if (x.rank() != 4 || x.size() == 0 || rois.rank() != 2 || rois.dim(1) != 4 ||
      rois.dim(0) != static_cast<std::int64_t>(images.size()))
    fail(call, "has regions " + to_string(rois.shape()) + " of " + to_string(x.shape()));
  constexpr std::int64_t kMost = 4096;
  if (height < 1 || width < 1 || height > kMost || width > kMost || sampling < 0 ||
      sampling > kMost)
    fail(call, "has an impossible output size");
  const std::int64_t channels = x.dim(1);
  Tensor y = make_result(call, DType::f32, {rois.dim(0), channels, height, width});
  const float offset = half_pixel ? 0.5f : 0.0f;
  const std::int64_t pixels = x.dim(2) * x.dim(3);
  float* out = y.mutable_data<float>().data();
  for (std::int64_t r = 0; r < rois.dim(0); ++r) {
    const std::int64_t image = images[static_cast<std::size_t>(r)];
    if (image < 0 || image >= x.dim(0)) fail(call, "has a region of an image that is not there");
    const float* roi = rois.data<float>().data() + r * 4;
    const float left = roi[0] * scale - offset;
    const float top = roi[1] * scale - offset;
    float w = roi[2] * scale - offset - left;
    float h = roi[3] * scale - offset - top;
    if (!half_pixel) {  // regions of less than a pixel are one
      w = std::max(w, 1.0f);
      h = std::max(h, 1.0f);
    }
    const float bin_h = h / static_cast<float>(height);
    const float bin_w = w / static_cast<float>(width);
    const auto samples = [&](float bin) {
      if (sampling > 0) return sampling;
      if (!(std::fabs(bin) <= static_cast<float>(kMost))) fail(call, "has an impossible region");
      return static_cast<std::int64_t>(std::ceil(bin));
    };
    const std::int64_t rows = samples(bin_h);
    const std::int64_t columns = samples(bin_w);
    if (rows * columns > 64 * kMaxElements / std::max<std::int64_t>(y.size(), 1))
      fail(call, "has an impossible region");
    const auto count = static_cast<float>(std::max<std::int64_t>(rows * columns, 1));
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* plane = x.data<float>().data() + (image * channels + c) * pixels;
      for (std::int64_t place = 0; place < height * width; ++place) {
        float total = 0.0f;
        for (std::int64_t i = 0; i < rows; ++i) {
          const float at_y = top + static_cast<float>(place / width) * bin_h +
                             (static_cast<float>(i) + 0.5f) * bin_h / static_cast<float>(rows);
          for (std::int64_t j = 0; j < columns; ++j) {
            const float at_x = left + static_cast<float>(place % width) * bin_w +
                               (static_cast<float>(j) + 0.5f) * bin_w / static_cast<float>(columns);
            total += between(plane, x.dim(2), x.dim(3), at_y, at_x);
          }
        }
        *out++ = total / count;
      }
    }
  }
  return {y};
}

}  // namespace qsweep::detail
