#include "src/kernels/detail/blas_layer.h"

#include <algorithm>

#include <cblas.h>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/threads.h"

namespace qsweep::detail {
namespace {

/// Elements of the im2col buffer: small enough for the second-level cache.
constexpr std::int64_t kBufferElements = std::int64_t{1} << 17;

std::size_t at(std::int64_t index) {
  return static_cast<std::size_t>(index);
}
int blas_int(std::int64_t value) {
  return static_cast<int>(value);
}

/// Conv weight [O, I/g, taps] to [g, taps, I/g, O/g]; transposed [I, O/g, taps] to [g, I/g, taps,
/// O/g]: output channels innermost, so that a product writes channels_last rows.
Tensor pack(const LinearSpec& spec, const Tensor& weight) {
  const bool transpose = spec.kind == LinearSpec::Kind::conv_transpose;
  const std::int64_t group = spec.group;
  const std::int64_t first = weight.dim(0) / group;
  const std::int64_t second = weight.dim(1);
  const std::int64_t taps = weight.size() / (weight.dim(0) * second);
  Tensor packed(DType::f32, {weight.size()});
  const auto in = weight.data<float>();
  const auto out = packed.mutable_data<float>();
  std::size_t source = 0;
  for (std::int64_t g = 0; g < group; ++g) {
    for (std::int64_t a = 0; a < first; ++a) {
      for (std::int64_t b = 0; b < second; ++b) {
        for (std::int64_t t = 0; t < taps; ++t) {
          const std::int64_t target = transpose ? ((g * first + a) * taps + t) * second + b
                                                : ((g * taps + t) * second + b) * first + a;
          out[at(target)] = in[source++];
        }
      }
    }
  }
  return packed;
}

/// Calls visit(tap, pixel) for each tap of a kernel; pixel is the flat place that `coordinate(axis,
/// k)` leads to, or -1 outside `extents`.
template <class Coordinate, class Visit>
void for_each_tap(const std::vector<std::int64_t>& kernel,
                  const std::vector<std::int64_t>& extents,
                  const Coordinate& coordinate,
                  const Visit& visit) {
  const std::size_t axes = kernel.size();
  const std::int64_t taps = product(kernel);
  std::vector<std::int64_t> k(axes, 0);
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    std::int64_t pixel = 0;
    for (std::size_t a = 0; a < axes && pixel >= 0; ++a) {
      const std::int64_t c = coordinate(a, k[a]);
      pixel = c >= 0 && c < extents[a] ? pixel * extents[a] + c : -1;
    }
    visit(tap, pixel);
    for (std::size_t a = axes; a-- > 0;) {
      if (++k[a] < kernel[a]) break;
      k[a] = 0;
    }
  }
}

}  // namespace

BlasLayer::BlasLayer(const LinearSpec& spec, Tensor weight, std::vector<float> bias)
    : spec_(spec),
      weight_(spec.kind == LinearSpec::Kind::gemm ? std::move(weight) : pack(spec, weight)),
      bias_(std::move(bias)) {}

Tensor BlasLayer::run(const Tensor& x, const Geometry& g) const {
  begin_blas();
  const bool gemm = spec_.kind == LinearSpec::Kind::gemm;
  Tensor y(DType::f32, g.result, gemm ? Layout::row_major : Layout::channels_last);
  const auto out = y.mutable_data<float>();
  const std::size_t channels = at(g.out_channels);
  for (std::size_t i = 0; i < out.size(); i += channels) {
    if (bias_.empty()) {
      std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(i), channels, 0.0f);
    } else {
      std::copy(bias_.begin(), bias_.end(), out.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  const float* in = x.data<float>().data();
  if (gemm) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans,
                spec_.weight_is_output_major ? CblasTrans : CblasNoTrans, blas_int(g.batch),
                blas_int(g.out_channels), blas_int(g.in_channels), 1.0f, in,
                blas_int(g.in_channels), weight_.data<float>().data(),
                blas_int(spec_.weight_is_output_major ? g.in_channels : g.out_channels), 1.0f,
                out.data(), blas_int(g.out_channels));
  } else {
    const std::int64_t in_image = product(g.input) * g.in_channels;
    const std::int64_t out_image = product(g.output) * g.out_channels;
    for (std::int64_t n = 0; n < g.batch; ++n) {
      if (spec_.kind == LinearSpec::Kind::conv) {
        convolve(g, in + n * in_image, out.data() + n * out_image);
      } else {
        scatter(g, in + n * in_image, out.data() + n * out_image);
      }
    }
  }
  if (spec_.epilogue == Epilogue::relu) {
    for (float& value : out) value = value > 0.0f ? value : 0.0f;
  }
  if (spec_.epilogue == Epilogue::silu) silu(out.data(), out.data(), y.size());
  return y;
}

void BlasLayer::convolve(const Geometry& g, const float* x, float* y) const {
  const std::int64_t taps = product(g.kernel);
  const std::int64_t in = g.in_channels / g.group;
  const std::int64_t out = g.out_channels / g.group;
  const std::int64_t depth = taps * in;
  const std::int64_t places = product(g.output);
  const std::int64_t block = std::clamp<std::int64_t>(kBufferElements / depth, 1, places);
  Tensor buffer(DType::f32, {block * depth});
  float* columns = buffer.mutable_data<float>().data();
  std::vector<std::int64_t> place(g.output.size());
  for (std::int64_t group = 0; group < g.group; ++group) {
    const float* weight = weight_.data<float>().data() + group * depth * out;
    for (std::int64_t first = 0; first < places; first += block) {
      const std::int64_t rows = std::min(block, places - first);
      for (std::int64_t row = 0; row < rows; ++row) {
        unflatten(first + row, g.output, place);
        const auto coordinate = [&](std::size_t a, std::int64_t k) {
          return place[a] * g.strides[a] - g.pad_begin[a] + k * g.dilations[a];
        };
        for_each_tap(g.kernel, g.input, coordinate, [&](std::int64_t tap, std::int64_t pixel) {
          float* target = columns + row * depth + tap * in;
          if (pixel < 0) {
            std::fill_n(target, in, 0.0f);
          } else {
            std::copy_n(x + pixel * g.in_channels + group * in, in, target);
          }
        });
      }
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas_int(rows), blas_int(out),
                  blas_int(depth), 1.0f, columns, blas_int(depth), weight, blas_int(out), 1.0f,
                  y + first * g.out_channels + group * out, blas_int(g.out_channels));
    }
  }
}

void BlasLayer::scatter(const Geometry& g, const float* x, float* y) const {
  const std::int64_t taps = product(g.kernel);
  const std::int64_t in = g.in_channels / g.group;
  const std::int64_t out = g.out_channels / g.group;
  const std::int64_t width = taps * out;
  const std::int64_t places = product(g.input);
  const std::int64_t block = std::clamp<std::int64_t>(kBufferElements / width, 1, places);
  Tensor buffer(DType::f32, {block * width});
  float* columns = buffer.mutable_data<float>().data();
  std::vector<std::int64_t> place(g.input.size());
  for (std::int64_t group = 0; group < g.group; ++group) {
    const float* weight = weight_.data<float>().data() + group * in * width;
    for (std::int64_t first = 0; first < places; first += block) {
      const std::int64_t rows = std::min(block, places - first);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas_int(rows), blas_int(width),
                  blas_int(in), 1.0f, x + first * g.in_channels + group * in,
                  blas_int(g.in_channels), weight, blas_int(width), 0.0f, columns, blas_int(width));
      for (std::int64_t row = 0; row < rows; ++row) {
        unflatten(first + row, g.input, place);
        const auto coordinate = [&](std::size_t a, std::int64_t k) {
          return place[a] * g.strides[a] - g.pad_begin[a] + k * g.dilations[a];
        };
        for_each_tap(g.kernel, g.output, coordinate, [&](std::int64_t tap, std::int64_t pixel) {
          if (pixel < 0) return;
          const float* source = columns + row * width + tap * out;
          float* target = y + pixel * g.out_channels + group * out;
          for (std::int64_t o = 0; o < out; ++o) target[o] += source[o];
        });
      }
    }
  }
}

}  // namespace qsweep::detail
