#include "src/kernels/detail/winograd_layer.h"

#include <algorithm>
#include <array>
#include <vector>

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

const WinogradForm& form_of(std::int64_t stride) {
  return stride == 1 ? kWinogradStride1 : kWinogradStride2;
}

/// What the three taps of a line count at the form's i-th point, of those that meet a kind of
/// lines: powers of the point, the taps in their order, over the product of its distances to the
/// other finite ones. Infinity sees the highest power.
std::array<double, 3> taps_at(const WinogradForm& form, std::int64_t i, std::int64_t phase) {
  std::vector<double> finite(std::begin(kWinogradPoints), std::end(kWinogradPoints));
  if (form.stride == 1) finite.insert(finite.begin(), 0.0);
  if (i == form.points - 1) return {0.0, 0.0, 1.0};
  const double point = finite[static_cast<std::size_t>(i)];
  double distances = 1.0;
  for (const double other : finite) {
    if (other != point) distances *= point - other;
  }
  if (form.phases == 1) return {1.0 / distances, point / distances, point * point / distances};
  if (phase == 1) return {0.0, 1.0 / distances, 0.0};
  return {1.0 / distances, 0.0, point / distances};
}

/// Groups of values that a place has at most.
std::int64_t value_groups(const WinogradForm& form, std::int64_t in_channels) {
  return form.phases * form.phases * in_channels / kWinogradChannels;
}

/// Tiles worked on at once: enough to use weights several times while they are there; with few
/// channels their values stay in the first cache.
constexpr std::int64_t kTilesAtOnce = 16;

/// Transformed values and sums of a block. Two places are a cache line further apart than they need
/// be, or all the places of a tile would fall into the same cache set.
WinogradBlock block(std::int64_t groups) {
  return {nullptr, (groups * kTilesAtOnce + 1) * kWinogradChannels,
          kTilesAtOnce * kWinogradChannels};
}

/// Working space that a thread keeps: 1.2 MB for 256 channels into 256, at most 10 MB for layers
/// that suit (4,096 into 16).
float* scratch(std::int64_t floats) {
  thread_local Tensor kept;
  if (kept.size() < floats) kept = Tensor(DType::f32, {floats});
  return kept.mutable_data<float>().data();
}

}  // namespace

bool WinogradLayer::suits(const LinearSpec& spec, const Geometry& g) {
  if (spec.kind != LinearSpec::Kind::conv || g.group != 1 || g.input.size() != 2 || !steps())
    return false;
  const auto both = [](const std::vector<std::int64_t>& values, auto holds) {
    return holds(values[0]) && holds(values[1]);
  };
  const auto is = [](std::int64_t wanted) { return [=](std::int64_t v) { return v == wanted; }; };
  const bool has_form = both(g.strides, is(1)) || both(g.strides, is(2));
  if (!both(g.kernel, is(3)) || !has_form || !both(g.dilations, is(1))) return false;
  // Weights take four times their room, nine times at stride 2, where reading those of more
  // channels from beyond a core's cache costs what is saved.
  const std::int64_t most_products = g.strides[0] == 1 ? 256 * 256 : 32 * 64;
  if (g.in_channels % kWinogradChannels != 0 || g.out_channels % kWinogradChannels != 0 ||
      g.in_channels * g.out_channels > most_products)
    return false;
  // Results computed only to fill tiles cost as much as others.
  const std::int64_t area = g.output[0] * g.output[1];
  const std::int64_t computed =
      tiles_along(g.output[0]) * tiles_along(g.output[1]) * kWinogradStep * kWinogradStep;
  return computed * 3 <= area * 4;
}

WinogradLayer::WinogradLayer(const LinearSpec& spec,
                             const Geometry& geometry,
                             const Tensor& weight,
                             const std::vector<float>& bias)
    : epilogue_(spec.epilogue), form_(form_of(geometry.strides[0])), bias_(bias) {
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  bias_.resize(static_cast<std::size_t>(outputs), 0.0f);
  std::int64_t depths = 0;
  for (std::int64_t place = 0; place < form_.places(); ++place) depths += form_.depth_at(place);
  weight_ = Tensor(DType::f32, {depths * inputs * outputs});
  const float* window = weight.data<float>().data();
  float* out = weight_.mutable_data<float>().data();

  for (std::int64_t place = 0; place < form_.places(); ++place) {
    const std::int64_t row = place / form_.points, column = place % form_.points;
    for (std::int64_t o = 0; o < outputs; o += 2 * kWinogradChannels) {
      const std::int64_t last = std::min(o + 2 * kWinogradChannels, outputs);
      for (std::int64_t kind = 0; kind < form_.depth_at(place); ++kind) {
        const auto down = taps_at(form_, row, kind / form_.phases_at(column));
        const auto along = taps_at(form_, column, kind % form_.phases_at(column));
        for (std::int64_t i = 0; i < inputs; ++i) {
          for (std::int64_t k = o; k < last; ++k) {
            const float* w = window + (k * inputs + i) * 9;
            double sum = 0.0;
            for (std::size_t r = 0; r < 3; ++r) {
              for (std::size_t c = 0; c < 3; ++c)
                sum += down[r] * along[c] * static_cast<double>(*w++);
            }
            *out++ = static_cast<float>(sum);
          }
        }
      }
    }
  }
  weight_ = spec.kept(std::move(weight_));
}

Tensor WinogradLayer::run(const Tensor& x,
                          const Geometry& g,
                          const Tensor* residual,
                          bool relu) const {
  const WinogradSteps& step = *steps();
  const bool plain = form_.stride == 1;
  const auto transform_input = plain ? step.transform_input : step.transform_input_stride2;
  const auto transform_output = plain ? step.transform_output : step.transform_output_stride2;
  Tensor y(DType::f32, g.result, Layout::channels_last);
  const WinogradPicture from{g.input[0], g.input[1], g.in_channels};
  const WinogradPicture to{g.output[0], g.output[1], g.out_channels};
  const std::int64_t in_step = from.height * from.width * from.channels;
  const std::int64_t out_step = to.height * to.width * to.channels;
  const float* in = x.data<float>().data();
  const float* added = residual ? residual->data<float>().data() : nullptr;
  float* out = y.mutable_data<float>().data();

  const std::int64_t across = tiles_along(to.width);
  const std::int64_t in_picture = across * tiles_along(to.height);
  const std::int64_t tiles = g.batch * in_picture;
  const std::int64_t in_groups = value_groups(form_, from.channels);
  const std::int64_t out_groups = to.channels / kWinogradChannels;
  // Up to two groups of sums are in registers before the first is written.
  const bool in_place = out_groups <= std::min<std::int64_t>(in_groups, 2);
  WinogradBlock values = block(in_groups), sums = values;
  if (!in_place) sums = block(out_groups);
  values.values = scratch(form_.places() * (values.place + (in_place ? 0 : sums.place)));
  sums.values = values.values + (in_place ? 0 : form_.places() * values.place);

  for (std::int64_t first = 0; first < tiles; first += kTilesAtOnce) {
    const std::int64_t count = std::min(kTilesAtOnce, tiles - first);
    const auto each_tile = [&](WinogradBlock block, auto&& work) {
      for (std::int64_t i = 0; i < count; ++i, block.values += kWinogradChannels) {
        const std::int64_t tile = (first + i) % in_picture;
        work(block, (first + i) / in_picture, tile / across * kWinogradStep,
             tile % across * kWinogradStep);
      }
    };
    each_tile(values,
              [&](const WinogradBlock& tile, std::int64_t n, std::int64_t top, std::int64_t left) {
                transform_input(in + n * in_step, from, top * form_.stride - g.pad_begin[0],
                                left * form_.stride - g.pad_begin[1], tile);
              });
    step.multiply(form_, values, count, from.channels, weight_.data<float>().data(), to.channels,
                  sums);
    each_tile(
        sums, [&](const WinogradBlock& tile, std::int64_t n, std::int64_t top, std::int64_t left) {
          transform_output(tile, bias_.data(), added ? added + n * out_step : nullptr,
                           relu || epilogue_ == Epilogue::relu, to, top, left, out + n * out_step);
        });
  }
  if (epilogue_ == Epilogue::silu) silu(out, out, y.size());
  return y;
}

}  // namespace qsweep::detail
