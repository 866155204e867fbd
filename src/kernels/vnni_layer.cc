#include "src/kernels/detail/vnni_layer.h"

#include <algorithm>
#include <limits>

#include "src/base/machine.h"

#include "src/kernels/detail/array.h"

namespace qsweep::detail {
namespace {

const VnniSteps* steps() {
#ifdef __x86_64__
  if (this_machine().has_avx512_vnni) return &kVnniAvx512;
#endif
  return nullptr;
}

/// Bytes of a padded copy, about: far less than the second cache holds.
constexpr std::int64_t kMostCopied = 65536;

}  // namespace

bool VnniLayer::computes(const LinearSpec& spec, const Geometry& g) {
  if (spec.kind != LinearSpec::Kind::conv || g.group != 1 || g.input.size() != 2 ||
      g.out_channels % kVnniChannels != 0 || !steps())
    return false;
  constexpr std::int64_t kMostTaps = 7;
  for (std::size_t a = 0; a < 2; ++a) {
    if (g.dilations[a] != 1 || g.kernel[a] > kMostTaps) return false;
  }
  // Distances within a window are 32 bits.
  const std::int64_t line = (g.pad_begin[1] + g.input[1] + g.pad_end[1]) * g.in_channels;
  return line * kMostTaps < std::numeric_limits<std::int32_t>::max();
}

bool VnniLayer::suits(const LinearSpec& spec, const Geometry& g) {
  // Past this depth the weights of some outputs no longer stay in the first cache, and oneDNN,
  // which goes through the depth in blocks, is faster.
  constexpr std::int64_t kDeepest = 1152;
  return computes(spec, g) && product(g.kernel) * g.in_channels <= kDeepest;
}

VnniLayer::VnniLayer(const LinearSpec& spec,
                     const Tensor& weight,
                     const std::vector<std::int32_t>& bias,
                     const std::vector<float>& scale,
                     std::uint8_t outside,
                     std::uint8_t flip,
                     const QuantParams* next)
    : epilogue_(spec.epilogue), outside_(outside), flip_(flip), bias_(bias), scale_(scale) {
  if (next && epilogue_ != Epilogue::silu && !is_float(next->format.dtype) &&
      next->format.granularity == Granularity::per_tensor && next->scale.size() == 1) {
    const CodeRange range = code_range(next->format);
    const std::int32_t zero = next->zero_point.empty() ? 0 : next->zero_point[0];
    codes_ = {next->scale[0], static_cast<float>(range.lowest - zero),
              static_cast<float>(range.highest - zero), zero};
    result_ = next->format.dtype;
  }
  const std::int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  const std::int64_t lines = weight.dim(2), columns = weight.dim(3);
  row_ = (columns * inputs + kVnniBytes - 1) / kVnniBytes;
  const bool slides = spec.strides.empty() || spec.strides[1] == 1;
  taps_ = slides && columns == 3 && inputs % kVnniBytes == 0 ? 3 : 1;
  const std::int64_t depth = lines * row_, vector = kVnniChannels * kVnniBytes;
  weight_ = Tensor(DType::i8, {outputs / kVnniChannels * depth * vector});
  const auto packed = weight_.mutable_data<std::int8_t>();
  std::ranges::fill(packed, std::int8_t{0});
  const std::int8_t* in = weight.data<std::int8_t>().data();
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t group = o / kVnniChannels, lane = o % kVnniChannels;
    std::int8_t* out = packed.data() + group * depth * vector + lane * kVnniBytes;
    for (std::int64_t i = 0; i < inputs; ++i) {
      for (std::int64_t l = 0; l < lines; ++l) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const std::int64_t place = taps_ > 1 ? i : c * inputs + i;
          const std::int64_t step = taps_ > 1 ? place / kVnniBytes * taps_ + c : place / kVnniBytes;
          out[(l * row_ + step) * vector + place % kVnniBytes] = *in++;
        }
      }
    }
  }
}

Tensor VnniLayer::run(const Tensor& x, const Geometry& g) {
  const VnniSteps& step = *steps();
  const VnniPadding padding{.lines = g.input[0],
                            .line = g.input[1] * g.in_channels,
                            .before = g.pad_begin[1] * g.in_channels,
                            .behind = g.pad_end[1] * g.in_channels,
                            .outside = outside_,
                            .flip = flip_};
  const std::int64_t line = padding.before + padding.line + padding.behind;
  // Windows are read in place where x has the codes itself, and no step ends beyond its row.
  const bool copies = g.pad_begin[0] + g.pad_end[0] > 0 || line != padding.line || flip_ != 0 ||
                      g.kernel[1] * g.in_channels % kVnniBytes != 0;
  const auto lines_of = [&](std::int64_t rows) { return (rows - 1) * g.strides[0] + g.kernel[0]; };
  std::int64_t band = g.output[0];  // rows of results to a copy
  while (copies && band > 1 && lines_of(band) * line > kMostCopied) band = (band + 1) / 2;
  Tensor copy = copies ? Tensor(DType::u8, {lines_of(band) * line + kVnniSlack}) : Tensor();

  distance_.clear();
  for (std::int64_t l = 0; l < g.kernel[0]; ++l) {
    for (std::int64_t s = 0; s < row_; ++s) {
      const std::int64_t place = s % taps_ * g.in_channels + s / taps_ * kVnniBytes;
      distance_.push_back(static_cast<std::int32_t>(l * line + place));
    }
  }
  VnniConvolution convolution{.width = g.output[1],
                              .channels = g.out_channels,
                              .down = g.strides[0] * line,
                              .across = g.strides[1] * g.in_channels,
                              .steps = g.kernel[0] * row_,
                              .taps = taps_,
                              .distance = distance_.data(),
                              .weight = weight_.data<std::int8_t>().data(),
                              .bias = bias_.data(),
                              .scale = scale_.data(),
                              .relu = epilogue_ == Epilogue::relu};
  Tensor y(result_, g.result, Layout::channels_last);
  for (std::int64_t n = 0; n < g.batch; ++n) {
    const auto* picture =
        static_cast<const std::uint8_t*>(x.raw()) + n * padding.lines * padding.line;
    for (std::int64_t top = 0; top < g.output[0]; top += band) {
      convolution.height = std::min(band, g.output[0] - top);
      const std::uint8_t* in = picture;
      if (copies) {
        auto* lines = copy.mutable_data<std::uint8_t>().data();
        step.pad(padding, picture, top * g.strides[0] - g.pad_begin[0],
                 lines_of(convolution.height), lines);
        in = lines;
      }
      const std::int64_t place = (n * g.output[0] + top) * g.output[1] * g.out_channels;
      if (result_ == DType::f32) {
        step.values(convolution, in, y.mutable_data<float>().data() + place);
      } else {
        step.codes(convolution, codes_, in, static_cast<std::uint8_t*>(y.mutable_raw()) + place);
      }
    }
  }
  if (epilogue_ == Epilogue::silu) {
    float* out = y.mutable_data<float>().data();
    silu(out, out, y.size());
  }
  return y;
}

}  // namespace qsweep::detail
