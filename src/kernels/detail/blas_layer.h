#pragma once

#include <vector>

#include "src/kernels/detail/geometry.h"

namespace qsweep::detail {

/// A linear layer on OpenBLAS: gemm directly, convolution by im2col, transposed convolution by
/// col2im. y = epilogue(sum_k x_k * w_k + bias[o]); x and y f32, channels_last (gemm: rows of
/// channels). Works for every geometry; oneDNN is faster wherever it has a kernel.
class BlasLayer {
 public:
  /// @param weight f32 in ONNX layout; @param bias one per output channel, or empty
  BlasLayer(const LinearSpec& spec, Tensor weight, std::vector<float> bias);
  [[nodiscard]] Tensor run(const Tensor& x, const Geometry& geometry) const;

 private:
  void convolve(const Geometry& g, const float* x, float* y) const;
  void scatter(const Geometry& g, const float* x, float* y) const;

  LinearSpec spec_;
  Tensor weight_;  ///< gemm: as given; conv: [g, taps, in/g, out/g]; transposed: [g, in/g, taps,
                   ///< out/g]
  std::vector<float> bias_;
};

}  // namespace qsweep::detail
