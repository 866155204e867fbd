#include "src/kernels/detail/winograd_layer.h"

#include <algorithm>

#include "src/base/machine.h"

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/winograd_steps.h"

namespace qsweep::detail {
namespace {

const WinogradSteps* steps() {
#ifdef __x86_64__
  const Machine& machine = this_machine();
  if (machine.has_avx512) return &kWinogradAvx512;
  if (machine.has_avx2_fma) return &kWinogradAvx2;
#endif
  return nullptr;
}

std::int64_t tiles_along(std::int64_t extent) {
  return (extent + kWinogradStep - 1) / kWinogradStep;
}

/// Rows of the weight's transform: the values of the line as a polynomial at each point, over the
/// product of the point's distances to the others.
void transform_weight_line(const double* in, std::int64_t step, double* out) {
  for (std::size_t i = 0; i < std::size(kWinogradPoints); ++i) {
    const double point = kWinogradPoints[i];
    double distances = 1.0;
    for (std::size_t j = 0; j < std::size(kWinogradPoints); ++j) {
      if (j != i) distances *= point - kWinogradPoints[j];
    }
    out[i] = (in[0] + point * (in[step] + point * in[2 * step])) / distances;
  }
  out[kWinogradTile - 1] = in[2 * step];
}

/// Working space that a thread keeps: 2.4 MB for 256 channels into 256, at most 20 MB for layers
/// that suit (4,096 into 16).
float* scratch(std::size_t floats) {
  thread_local std::vector<float> kept;
  if (kept.size() < floats) kept.resize(floats);
  return kept.data();
}

}  // namespace

bool WinogradLayer::suits(const LinearSpec& spec, const Geometry& g) {
  if (spec.kind != LinearSpec::Kind::conv || g.group != 1 || g.input.size() != 2 || !steps())
    return false;
  const auto both = [](const std::vector<std::int64_t>& values, auto holds) {
    return holds(values[0]) && holds(values[1]);
  };
  const auto is = [](std::int64_t wanted) { return [=](std::int64_t v) { return v == wanted; }; };
  if (!both(g.kernel, is(3)) || !both(g.strides, is(1)) || !both(g.dilations, is(1))) return false;
  // Weights take four times their room.
  constexpr std::int64_t kMostProducts = 256 * 256;
  if (g.in_channels % kWinogradChannels != 0 || g.out_channels % kWinogradChannels != 0 ||
      g.in_channels * g.out_channels > kMostProducts)
    return false;
  // Results computed only to fill tiles cost as much as others.
  const std::int64_t area = g.output[0] * g.output[1];
  const std::int64_t computed =
      tiles_along(g.output[0]) * tiles_along(g.output[1]) * kWinogradStep * kWinogradStep;
  return computed * 3 <= area * 4;
}

WinogradLayer::WinogradLayer(const LinearSpec& spec,
                             const Tensor& weight,
                             const std::vector<float>& bias)
    : epilogue_(spec.epilogue), bias_(bias) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  bias_.resize(static_cast<std::size_t>(outputs), 0.0f);
  weight_.resize(static_cast<std::size_t>(kWinogradPlaces * inputs * outputs));
  const float* in = weight.data<float>().data();
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t i = 0; i < inputs; ++i, in += 9) {
      double window[9], half[3 * kWinogradTile], line[kWinogradTile];
      std::copy_n(in, 9, window);
      for (std::int64_t c = 0; c < 3; ++c)
        transform_weight_line(window + c, 3, half + c * kWinogradTile);
      for (std::int64_t r = 0; r < kWinogradTile; ++r) {
        transform_weight_line(half + r, kWinogradTile, line);
        for (std::int64_t c = 0; c < kWinogradTile; ++c) {
          const std::int64_t place = r * kWinogradTile + c;
          const std::int64_t group = o / kWinogradChannels;
          weight_[static_cast<std::size_t>(((group * kWinogradPlaces + place) * inputs + i) *
                                               kWinogradChannels +
                                           o % kWinogradChannels)] = static_cast<float>(line[c]);
        }
      }
    }
  }
}

Tensor WinogradLayer::run(const Tensor& x, const Geometry& g) const {
  const WinogradSteps& step = *steps();
  Tensor y(DType::f32, g.result, Layout::channels_last);
  const WinogradPicture from{g.input[0], g.input[1], g.in_channels};
  const WinogradPicture to{g.output[0], g.output[1], g.out_channels};
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();

  const std::int64_t across = tiles_along(to.width);
  const std::int64_t in_picture = across * tiles_along(to.height);
  const std::int64_t tiles = g.batch * in_picture;
  float* values = scratch(
      static_cast<std::size_t>((from.channels + to.channels) / kWinogradChannels * kWinogradGroup));
  float* sums = values + from.channels / kWinogradChannels * kWinogradGroup;

  for (std::int64_t first = 0; first < tiles; first += kWinogradTiles) {
    const std::int64_t count = std::min(kWinogradTiles, tiles - first);
    const auto each_tile = [&](auto&& work) {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t tile = (first + i) % in_picture;
        work(i * kWinogradChannels, (first + i) / in_picture, tile / across * kWinogradStep,
             tile % across * kWinogradStep);
      }
    };
    each_tile([&](std::int64_t place, std::int64_t n, std::int64_t top, std::int64_t left) {
      step.transform_input(in + n * from.height * from.width * from.channels, from,
                           top - g.pad_begin[0], left - g.pad_begin[1], values + place);
    });
    step.multiply(values, count, from.channels, weight_.data(), to.channels, sums);
    each_tile([&](std::int64_t place, std::int64_t n, std::int64_t top, std::int64_t left) {
      step.transform_output(sums + place, bias_.data(), epilogue_ == Epilogue::relu, to, top, left,
                            out + n * to.height * to.width * to.channels);
    });
  }
  if (epilogue_ == Epilogue::silu) silu(out, out, y.size());
  return y;
}

}  // namespace qsweep::detail
