#pragma once

#include <vector>

#include "src/kernels/detail/geometry.h"

namespace qsweep::detail {

/// A float depthwise convolution of few channels, in channels_last: a vector holds the channels of
/// several pixels, where one that holds a pixel's would be half empty. A picture's results do not
/// depend on the others of its batch, nor on the instruction set.
class DepthwiseLayer {
 public:
  /// A function of one picture's extents, never of the batch.
  [[nodiscard]] static bool suits(const LinearSpec& spec, const Geometry& geometry);

  /// @param weight f32 [C, 1, kh, kw]
  /// @param bias one per channel, or empty
  DepthwiseLayer(const LinearSpec& spec, const Tensor& weight, const std::vector<float>& bias);

  /// @param x f32 in channels_last, of a geometry that suits
  [[nodiscard]] Tensor run(const Tensor& x, const Geometry& geometry) const;

 private:
  Epilogue epilogue_;
  std::vector<float> weight_;  ///< [tap][lane]
  std::vector<float> bias_;    ///< [lane]
};

}  // namespace qsweep::detail
