#pragma once

#include <vector>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/window_steps.h"

namespace qsweep::detail {

/// A direct convolution in windows (window_steps.h) on AVX-512 VNNI, x and y channels_last.
/// Of codes: y = epilogue(float(sum_k x_k * w_k + bias[o]) * scale[o]), exact where the sums fit 32
/// bits (the caller's duty). Of floats: y = epilogue(sum_k x_k * w_k + bias[o]). A picture's
/// results do not depend on the others of its batch.
class WindowLayer {
 public:
  /// True where there is a kernel for these extents and this CPU has the instructions.
  [[nodiscard]] static bool computes(const LinearSpec& spec, const Geometry& geometry);
  /// True where it is about as fast as oneDNN's or faster: functions of one picture's extents,
  /// never of the batch.
  [[nodiscard]] static bool suits_codes(const LinearSpec& spec, const Geometry& geometry);
  [[nodiscard]] static bool suits_floats(const LinearSpec& spec, const Geometry& geometry);

  /// @param weight i8 codes in ONNX layout
  /// @param bias, scale one per output channel
  /// @param outside the code that the padding is made of
  /// @param flip    what every code of x is taken xor with: 128 turns i8 into u8
  /// @param next    results are codes of this format; null, or where the epilogue or the format
  ///                takes more than rounding: the values
  WindowLayer(const LinearSpec& spec,
              const Tensor& weight,
              const std::vector<std::int32_t>& bias,
              const std::vector<float>& scale,
              std::uint8_t outside,
              std::uint8_t flip,
              const QuantParams* next);
  /// @param weight f32 in ONNX layout
  /// @param bias one per output channel, or empty
  WindowLayer(const LinearSpec& spec, const Tensor& weight, const std::vector<float>& bias);

  /// @param x codes or f32 in channels_last, of a geometry it computes
  /// @param residual null, or added to results that are values: like them, in channels_last
  /// @param relu clamps behind the sum
  [[nodiscard]] Tensor run(const Tensor& x,
                           const Geometry& geometry,
                           const Tensor* residual = nullptr,
                           bool relu = false);

 private:
  template <class T>
  void pack(const LinearSpec& spec, const Tensor& weight);

  Epilogue epilogue_;
  std::uint8_t outside_ = 0, flip_ = 0;
  DType result_ = DType::f32;
  WindowCodes codes_;
  std::int64_t element_;  ///< bytes of an input
  std::int64_t taps_ = 1;
  std::int64_t row_ = 0;     ///< steps of a row of a window
  Tensor weight_;            ///< as WindowConvolution takes it
  std::vector<float> bias_;  ///< of floats
  std::vector<std::int32_t> code_bias_;
  std::vector<float> scale_;
  std::vector<std::int32_t> distance_;  ///< for the latest geometry
};

}  // namespace qsweep::detail
