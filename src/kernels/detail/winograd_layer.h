#pragma once

#include <memory>
#include <vector>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/winograd_steps.h"

namespace qsweep::detail {

/// A float 3 x 3 convolution of stride 1 or 2 by Winograd's minimal filtering (winograd_steps.h),
/// in channels_last: 2 to 2.8 times as fast as a direct one at stride 1, 1.2 to 1.4 at 2. Sums
/// differ from a direct convolution's by about three times what the order of adding makes there
/// (relative error near 4e-7). A picture's results do not depend on the others of its batch, nor on
/// the instruction set.
class WinogradLayer {
 public:
  /// True where this is faster than a direct convolution and this CPU has the instructions. A
  /// function of one picture's extents, never of the batch.
  [[nodiscard]] static bool suits(const LinearSpec& spec, const Geometry& geometry);

  /// @param geometry one that suits @param weight f32 [O, I, 3, 3]
  /// @param bias one per output channel, or empty
  WinogradLayer(const LinearSpec& spec,
                const Geometry& geometry,
                const Tensor& weight,
                const std::vector<float>& bias);

  /// @param x f32 in channels_last, of a geometry that suits
  /// @param residual null, or added behind the bias: like the result, in channels_last
  /// @param relu clamps behind the sum
  [[nodiscard]] Tensor run(const Tensor& x,
                           const Geometry& geometry,
                           const Tensor* residual = nullptr,
                           bool relu = false) const;

 private:
  Epilogue epilogue_;
  const WinogradForm& form_;
  Tensor weight_;  ///< as WinogradSteps::multiply() takes it
  std::vector<float> bias_;
};

}  // namespace qsweep::detail
