#include "src/kernels/detail/window_layer.h"

#include <algorithm>
#include <limits>

#include "src/base/machine.h"

#include "src/kernels/detail/array.h"

namespace qsweep::detail {
namespace {

const WindowSteps* steps() {
#ifdef __x86_64__
  if (this_machine().has_avx512_vnni) return &kWindowAvx512;
#endif
  return nullptr;
}

/// Bytes of a padded copy, or of results, about: far less than the second cache holds.
constexpr std::int64_t kMostAtOnce = 65536;

}  // namespace

bool WindowLayer::computes(const LinearSpec& spec, const Geometry& g) {
  if (spec.kind != LinearSpec::Kind::conv || g.group != 1 || g.input.size() != 2 ||
      g.out_channels % kWindowChannels != 0 || !steps())
    return false;
  constexpr std::int64_t kMostTaps = 7;
  for (std::size_t a = 0; a < 2; ++a) {
    if (g.dilations[a] != 1 || g.kernel[a] > kMostTaps) return false;
  }
  // Distances within a window are 32 bits.
  const std::int64_t line = (g.pad_begin[1] + g.input[1] + g.pad_end[1]) * g.in_channels;
  return line * kWindowBytes * kMostTaps < std::numeric_limits<std::int32_t>::max();
}

bool WindowLayer::suits_codes(const LinearSpec& spec, const Geometry& g) {
  // Past this depth the weights of some outputs no longer stay in the first cache, and oneDNN,
  // which goes through the depth in blocks, is faster.
  constexpr std::int64_t kDeepest = 1152;
  return computes(spec, g) && product(g.kernel) * g.in_channels <= kDeepest;
}

bool WindowLayer::suits_floats(const LinearSpec& spec, const Geometry& g) {
  if (!computes(spec, g)) return false;
  // Sixteen windows beside each other that share what is read of them, or so few products that
  // oneDNN's calls show.
  const bool slides = g.out_channels == kWindowChannels && product(g.kernel) == 9 &&
                      g.kernel[1] == 3 && g.strides[1] == 1 && g.output[1] % kWindowChannels == 0;
  const bool is_short = product(g.kernel) == 1 && product(g.strides) > 1 && g.in_channels <= 64 &&
                        product(g.output) <= 16 * 16;
  return slides || is_short;
}

WindowLayer::WindowLayer(const LinearSpec& spec,
                         const Tensor& weight,
                         const std::vector<std::int32_t>& bias,
                         const std::vector<float>& scale,
                         std::uint8_t outside,
                         std::uint8_t flip,
                         const QuantParams* next)
    : epilogue_(spec.epilogue),
      outside_(outside),
      flip_(flip),
      element_(sizeof(std::int8_t)),
      code_bias_(bias),
      scale_(scale) {
  if (next && epilogue_ != Epilogue::silu && !is_float(next->format.dtype) &&
      next->format.granularity == Granularity::per_tensor && next->scale.size() == 1) {
    const CodeRange range = code_range(next->format);
    const std::int32_t zero = next->zero_point.empty() ? 0 : next->zero_point[0];
    codes_ = {next->scale[0], static_cast<float>(range.lowest - zero),
              static_cast<float>(range.highest - zero), zero};
    result_ = next->format.dtype;
  }
  pack<std::int8_t>(spec, weight);
}

WindowLayer::WindowLayer(const LinearSpec& spec,
                         const Tensor& weight,
                         const std::vector<float>& bias)
    : epilogue_(spec.epilogue), element_(sizeof(float)), bias_(bias) {
  bias_.resize(static_cast<std::size_t>(weight.dim(0)), 0.0f);
  pack<float>(spec, weight);
}

template <class T>
void WindowLayer::pack(const LinearSpec& spec, const Tensor& weight) {
  constexpr std::int64_t kAtOnce = kWindowBytes / static_cast<std::int64_t>(sizeof(T));
  constexpr std::int64_t kVector = kWindowChannels * kAtOnce;
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  const std::int64_t lines = weight.dim(2), columns = weight.dim(3);
  row_ = (columns * inputs + kAtOnce - 1) / kAtOnce;
  const bool slides = spec.strides.empty() || spec.strides[1] == 1;
  taps_ = slides && columns == 3 && inputs % kAtOnce == 0 ? 3 : 1;
  const std::int64_t depth = lines * row_;
  weight_ = Tensor(weight.dtype(), {outputs / kWindowChannels * depth * kVector});
  const auto packed = weight_.mutable_data<T>();
  std::ranges::fill(packed, T{});
  const T* in = weight.data<T>().data();
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t group = o / kWindowChannels, lane = o % kWindowChannels;
    T* out = packed.data() + group * depth * kVector + lane * kAtOnce;
    for (std::int64_t i = 0; i < inputs; ++i) {
      for (std::int64_t l = 0; l < lines; ++l) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const std::int64_t place = taps_ > 1 ? i : c * inputs + i;
          const std::int64_t step = taps_ > 1 ? place / kAtOnce * taps_ + c : place / kAtOnce;
          out[(l * row_ + step) * kVector + place % kAtOnce] = *in++;
        }
      }
    }
  }
  weight_ = spec.kept(std::move(weight_));
}

Tensor WindowLayer::run(const Tensor& x, const Geometry& g, const Tensor* residual, bool relu) {
  const WindowSteps& step = *steps();
  const std::int64_t pixel = g.in_channels * element_;
  const WindowPadding padding{.lines = g.input[0],
                              .line = g.input[1] * pixel,
                              .before = g.pad_begin[1] * pixel,
                              .behind = g.pad_end[1] * pixel,
                              .outside = outside_,
                              .flip = flip_};
  const std::int64_t line = padding.before + padding.line + padding.behind;
  // Windows are read in place where x has the codes itself, and no step ends beyond its row.
  const bool copies = g.pad_begin[0] + g.pad_end[0] > 0 || line != padding.line || flip_ != 0 ||
                      g.kernel[1] * pixel % kWindowBytes != 0;
  const auto lines_of = [&](std::int64_t rows) { return (rows - 1) * g.strides[0] + g.kernel[0]; };
  // Rows of results at once: few enough for the copy and for results that are read again.
  const bool reads_again = epilogue_ == Epilogue::silu;
  const std::int64_t result_row = g.output[1] * g.out_channels * kWindowBytes;
  std::int64_t band = g.output[0];
  while (band > 1 && ((copies && lines_of(band) * line > kMostAtOnce) ||
                      (reads_again && band * result_row > kMostAtOnce)))
    band = (band + 1) / 2;
  Tensor copy = copies ? Tensor(DType::u8, {lines_of(band) * line + kWindowSlack}) : Tensor();

  distance_.clear();
  for (std::int64_t l = 0; l < g.kernel[0]; ++l) {
    for (std::int64_t s = 0; s < row_; ++s) {
      const std::int64_t place = s % taps_ * pixel + s / taps_ * kWindowBytes;
      distance_.push_back(static_cast<std::int32_t>(l * line + place));
    }
  }
  const bool of_codes = !code_bias_.empty();
  const void* bias = of_codes ? static_cast<const void*>(code_bias_.data()) : bias_.data();
  WindowConvolution convolution{.width = g.output[1],
                                .channels = g.out_channels,
                                .down = g.strides[0] * line,
                                .across = g.strides[1] * pixel,
                                .steps = g.kernel[0] * row_,
                                .taps = taps_,
                                .distance = distance_.data(),
                                .weight = weight_.raw(),
                                .bias = bias,
                                .scale = scale_.data(),
                                .relu = relu || epilogue_ == Epilogue::relu};
  Tensor y(result_, g.result, Layout::channels_last);
  for (std::int64_t n = 0; n < g.batch; ++n) {
    const auto* picture =
        static_cast<const std::uint8_t*>(x.raw()) + n * padding.lines * padding.line;
    for (std::int64_t top = 0; top < g.output[0]; top += band) {
      convolution.height = std::min(band, g.output[0] - top);
      const std::uint8_t* in = picture + top * convolution.down;
      if (copies) {
        auto* lines = copy.mutable_data<std::uint8_t>().data();
        step.pad(padding, picture, top * g.strides[0] - g.pad_begin[0],
                 lines_of(convolution.height), lines);
        in = lines;
      }
      const std::int64_t results = convolution.height * g.output[1] * g.out_channels;
      const std::int64_t place = (n * g.output[0] + top) * g.output[1] * g.out_channels;
      if (result_ != DType::f32) {
        step.codes_to_codes(convolution, codes_, in,
                            static_cast<std::uint8_t*>(y.mutable_raw()) + place);
        continue;
      }
      if (residual) convolution.residual = residual->data<float>().data() + place;
      float* out = y.mutable_data<float>().data() + place;
      (of_codes ? step.codes_to_values : step.floats)(convolution, in, out);
      if (epilogue_ == Epilogue::silu) silu(out, out, results);
    }
  }
  return y;
}

}  // namespace qsweep::detail
