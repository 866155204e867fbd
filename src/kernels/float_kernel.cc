#include <memory>

#include <fmt/format.h>

#include "src/kernels/detail/blas_layer.h"
#include "src/kernels/detail/layer_operands.h"
#include "src/kernels/detail/onednn_layer.h"
#include "src/kernels/linear.h"

namespace qsweep {
namespace {

class FloatKernel final : public LinearKernel {
 public:
  FloatKernel(const LinearSpec& spec,
              const Tensor& weight,
              const Tensor& bias,
              FloatBackend backend)
      : spec_(spec), weight_(weight.to_layout(Layout::row_major)) {
    if (weight.dtype() != DType::f32) {
      throw Error(ErrorCode::corrupt_input, "a float layer needs a float32 weight", spec.name);
    }
    bias_ = detail::bias_values(spec, bias, detail::output_channels(spec, weight_.shape()));
    if (backend == FloatBackend::automatic) {
      onednn_ = std::make_unique<detail::OneDnnLayer>(spec_, weight_, bias_, std::vector<float>{});
    }
  }

  Tensor run(const Tensor& x) override {
    if (x.dtype() != DType::f32) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("a float layer got {} input", name_of(x.dtype())), spec_.name);
    }
    const detail::Geometry geometry = detail::resolve_geometry(spec_, weight_.shape(), x.shape());
    const Tensor input = detail::ordered_input(spec_, x);
    if (onednn_ && geometry.batch > 0) {
      if (auto y = onednn_->run(input, geometry)) return *std::move(y);
    }
    if (!blas_) blas_ = std::make_unique<detail::BlasLayer>(spec_, weight_, bias_);
    return blas_->run(input, geometry);
  }

  std::string name() const override { return onednn_ && !blas_ ? "onednn_f32" : "openblas_sgemm"; }

 private:
  LinearSpec spec_;
  Tensor weight_;
  std::vector<float> bias_;
  std::unique_ptr<detail::OneDnnLayer> onednn_;
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
