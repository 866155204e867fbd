#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/blas_layer.h"
#include "src/kernels/detail/depthwise_layer.h"
#include "src/kernels/detail/layer_operands.h"
#include "src/kernels/detail/onednn_layer.h"
#include "src/kernels/detail/window_layer.h"
#include "src/kernels/detail/winograd_layer.h"
#include "src/kernels/linear.h"

namespace qsweep {
namespace {

/// Products that ONNX Runtime (MLAS) adds up before it starts anew, for a weight not packed ahead:
/// 128, more where the result is narrow.
std::int64_t depth_block(std::int64_t out_channels) {
  std::int64_t depth = 128;
  for (std::int64_t width = 128; width > 1 && width / 2 >= out_channels; width /= 2) depth *= 2;
  return depth;
}

/// Columns [first, first + width) of a matrix.
Tensor columns(const Tensor& matrix, std::int64_t first, std::int64_t width) {
  const std::int64_t all = matrix.dim(-1);
  const std::int64_t rows = matrix.size() / all;
  Tensor cut(DType::f32, {rows, width});
  float* out = cut.mutable_data<float>().data();
  const float* in = matrix.data<float>().data() + first;
  for (std::int64_t r = 0; r < rows; ++r) out = std::copy_n(in + r * all, width, out);
  return cut;
}

/// A convolution whose windows do not overlap and cover the image from its first pixel, as in patch
/// embeddings: a product of the patches' rows.
bool cuts_patches(const LinearSpec& spec, const detail::Geometry& g) {
  const auto all = [](const std::vector<std::int64_t>& values, std::int64_t wanted) {
    return std::ranges::all_of(values, [=](std::int64_t v) { return v == wanted; });
  };
  return spec.kind == LinearSpec::Kind::conv && g.group == 1 && g.kernel.size() == 2 &&
         g.kernel == g.strides && detail::product(g.kernel) > 1 && all(g.pad_begin, 0) &&
         all(g.pad_end, 0) && all(g.dilations, 1);
}

/// [N, C, H, W] as one row of C * kh * kw values for each window, in the weight's order.
Tensor patches(const Tensor& image, const detail::Geometry& g) {
  const Tensor x = image.to_layout(Layout::row_major);
  const std::int64_t rows = g.kernel[0], columns = g.kernel[1], line = g.input[1];
  Tensor cut(DType::f32, {g.batch, g.output[0], g.output[1], g.in_channels * rows * columns});
  float* out = cut.mutable_data<float>().data();
  const float* in = x.data<float>().data();
  for (std::int64_t n = 0; n < g.batch; ++n) {
    for (std::int64_t i = 0; i < g.output[0]; ++i) {
      for (std::int64_t j = 0; j < g.output[1]; ++j) {
        for (std::int64_t c = 0; c < g.in_channels; ++c) {
          const float* plane = in + (n * g.in_channels + c) * g.input[0] * line;
          for (std::int64_t r = 0; r < rows; ++r)
            out = std::copy_n(plane + (i * rows + r) * line + j * columns, columns, out);
        }
      }
    }
  }
  return cut;
}

class FloatKernel final : public LinearKernel {
 public:
  FloatKernel(const LinearSpec& spec,
              const Tensor& weight,
              const Tensor& bias,
              FloatBackend backend)
      : spec_(spec), backend_(backend), weight_(weight.to_layout(Layout::row_major)) {
    if (weight.dtype() != DType::f32) {
      throw Error(ErrorCode::corrupt_input, "a float layer needs a float32 weight", spec.name);
    }
    bias_ = detail::bias_values(spec, bias, detail::output_channels(spec, weight_.shape()));
    if (backend != FloatBackend::openblas) {
      onednn_ = std::make_unique<detail::OneDnnLayer>(spec_, weight_, bias_, std::vector<float>{});
      if (spec_.kind == LinearSpec::Kind::gemm && spec_.blocked_depth) cut_depth();
    }
  }

  Tensor run(const Tensor& x) override {
    if (x.dtype() != DType::f32) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("a float layer got {} input", name_of(x.dtype())), spec_.name);
    }
    const detail::Geometry& geometry = geometries_.of(spec_, weight_.shape(), x.shape());
    if (onednn_ && geometry.batch > 0 && cuts_patches(spec_, geometry))
      return product_of_patches(x, geometry);
    const Tensor input = detail::ordered_input(spec_, x);
    if (!blocks_.empty() && geometry.batch > 0) return sum_of_blocks(input, geometry);
    if (uses_winograd(geometry)) return winograd(geometry).run(input, geometry);
    if (uses_windows(geometry)) return windows().run(input, geometry);
    if (uses_depthwise(geometry)) return depthwise().run(input, geometry);
    if (onednn_ && geometry.batch > 0) {
      if (auto y = onednn_->run(input, geometry)) return *std::move(y);
    }
    if (!blas_) blas_ = std::make_unique<detail::BlasLayer>(spec_, weight_, bias_);
    return blas_->run(input, geometry);
  }

  Tensor run_added(const Tensor& x, const Tensor& residual, bool relu) override {
    const bool can_add = x.dtype() == DType::f32 && residual.layout() == Layout::channels_last &&
                         spec_.epilogue == Epilogue::none;
    if (can_add) {
      const detail::Geometry& geometry = geometries_.of(spec_, weight_.shape(), x.shape());
      if (residual.shape() == geometry.result) {
        const Tensor input = detail::ordered_input(spec_, x);
        if (uses_winograd(geometry))
          return winograd(geometry).run(input, geometry, &residual, relu);
        if (uses_windows(geometry)) return windows().run(input, geometry, &residual, relu);
      }
    }
    return LinearKernel::run_added(x, residual, relu);
  }

  [[nodiscard]] std::string name() const override {
    if (winograd_) return "winograd_f32";
    if (windows_) return "windows_f32";
    if (depthwise_) return "depthwise_f32";
    return onednn_ && !blas_ ? "onednn_f32" : "openblas_sgemm";
  }

 private:
  [[nodiscard]] bool uses_winograd(const detail::Geometry& geometry) const {
    return backend_ == FloatBackend::automatic && geometry.batch > 0 &&
           detail::WinogradLayer::suits(spec_, geometry);
  }
  [[nodiscard]] bool uses_windows(const detail::Geometry& geometry) const {
    return backend_ == FloatBackend::automatic && geometry.batch > 0 &&
           detail::WindowLayer::suits_floats(spec_, geometry);
  }
  [[nodiscard]] bool uses_depthwise(const detail::Geometry& geometry) const {
    return backend_ == FloatBackend::automatic && geometry.batch > 0 &&
           detail::DepthwiseLayer::suits(spec_, geometry);
  }
  const detail::DepthwiseLayer& depthwise() {
    if (!depthwise_) depthwise_ = std::make_unique<detail::DepthwiseLayer>(spec_, weight_, bias_);
    return *depthwise_;
  }
  detail::WindowLayer& windows() {
    if (!windows_) windows_ = std::make_unique<detail::WindowLayer>(spec_, weight_, bias_);
    return *windows_;
  }
  const detail::WinogradLayer& winograd(const detail::Geometry& geometry) {
    if (!winograd_)
      winograd_ = std::make_unique<detail::WinogradLayer>(spec_, geometry, weight_, bias_);
    return *winograd_;
  }

  Tensor product_of_patches(const Tensor& x, const detail::Geometry& g) {
    if (!product_) {
      LinearSpec rows;
      rows.kind = LinearSpec::Kind::gemm;
      rows.epilogue = spec_.epilogue;
      rows.name = spec_.name;
      product_ = std::make_unique<FloatKernel>(
          rows, weight_.reshaped({g.out_channels, weight_.size() / g.out_channels}),
          bias_.empty() ? Tensor() : Tensor::of<float>(DType::f32, {g.out_channels}, bias_),
          FloatBackend::automatic);
    }
    const Tensor y = product_->run(patches(x, g));  // rows of channels: channels_last
    Tensor image(DType::f32, g.result, Layout::channels_last);
    std::ranges::copy(y.data<float>(), image.mutable_data<float>().begin());
    return image;
  }

  /// One kernel for each block of the depth, where there are several.
  void cut_depth() {
    const bool output_major = spec_.weight_is_output_major;
    const std::int64_t depth = weight_.dim(output_major ? 1 : 0);
    const std::int64_t width = weight_.dim(output_major ? 0 : 1);
    const std::int64_t block = depth_block(width);
    if (depth <= block) return;
    LinearSpec part;
    part.kind = LinearSpec::Kind::gemm;
    part.weight_is_output_major = output_major;
    part.name = spec_.name;
    for (std::int64_t first = 0; first < depth; first += block) {
      const std::int64_t rows = std::min(block, depth - first);
      Tensor weight;
      if (output_major) {
        weight = columns(weight_, first, rows);
      } else {
        weight = Tensor::of<float>(
            DType::f32, {rows, width},
            weight_.data<float>().subspan(static_cast<std::size_t>(first * width),
                                          static_cast<std::size_t>(rows * width)));
      }
      blocks_.push_back(
          std::make_unique<FloatKernel>(part, weight, Tensor(), FloatBackend::automatic));
    }
  }

  [[nodiscard]] Tensor sum_of_blocks(const Tensor& x, const detail::Geometry& g) const {
    const std::int64_t block = depth_block(g.out_channels);
    Tensor y(DType::f32, g.result);
    const auto out = y.mutable_data<float>();
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const std::int64_t first = static_cast<std::int64_t>(b) * block;
      const Tensor part =
          blocks_[b]->run(columns(x, first, std::min(block, g.in_channels - first)));
      const auto values = part.data<float>();
      if (b == 0) {
        std::ranges::copy(values, out.begin());
      } else {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] += values[i];
      }
    }
    for (std::size_t row = 0; row < out.size(); row += static_cast<std::size_t>(g.out_channels)) {
      for (std::size_t o = 0; o < static_cast<std::size_t>(g.out_channels); ++o) {
        float& value = out[row + o];
        if (!bias_.empty()) value += bias_[o];
        if (spec_.epilogue == Epilogue::relu && !(value > 0.0f)) value = 0.0f;
      }
    }
    if (spec_.epilogue == Epilogue::silu) detail::silu(out.data(), out.data(), y.size());
    return y;
  }

  LinearSpec spec_;
  FloatBackend backend_;
  Tensor weight_;
  std::vector<float> bias_;
  detail::Geometries geometries_;
  std::unique_ptr<detail::OneDnnLayer> onednn_;
  std::unique_ptr<detail::WinogradLayer> winograd_;    ///< made for the first geometry that suits
  std::unique_ptr<detail::WindowLayer> windows_;       ///< the same
  std::unique_ptr<detail::DepthwiseLayer> depthwise_;  ///< the same
  std::vector<std::unique_ptr<FloatKernel>> blocks_;   ///< of the depth; empty: one product
  std::unique_ptr<FloatKernel> product_;  ///< of patches, where the first geometry cut some
  std::unique_ptr<detail::BlasLayer>
      blas_;  ///< made for the first geometry oneDNN has no kernel for
};

}  // namespace

std::unique_ptr<LinearKernel> make_float_kernel(const LinearSpec& spec,
                                                const Tensor& weight,
                                                const Tensor& bias,
                                                FloatBackend backend) {
  return std::make_unique<FloatKernel>(spec, weight, bias, backend);
}

namespace detail {

std::vector<float> bias_values(const LinearSpec& spec, const Tensor& bias, std::int64_t channels) {
  if (bias.empty()) return {};
  if (bias.dtype() != DType::f32 || bias.size() != channels) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("bias {} of {} does not fit {} output channels",
                            to_string(bias.shape()), name_of(bias.dtype()), channels),
                spec.name);
  }
  const auto values = bias.data<float>();
  return {values.begin(), values.end()};
}

}  // namespace detail
}  // namespace qsweep
