#pragma once

#include <optional>
#include <vector>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/vnni_steps.h"

namespace qsweep::detail {

/// An integer convolution by AVX-512 VNNI (vnni_steps.h): y = epilogue(float(sum_k x_k * w_k +
/// bias[o]) * scale[o]), x and y channels_last. Exact where the sums fit 32 bits (the caller's
/// duty). A picture's results do not depend on the others of its batch.
class VnniLayer {
 public:
  /// True where there is a kernel for these extents and this CPU has the instructions.
  [[nodiscard]] static bool computes(const LinearSpec& spec, const Geometry& geometry);
  /// True where it is at least as fast as oneDNN's too: a function of one picture's extents, never
  /// of the batch.
  [[nodiscard]] static bool suits(const LinearSpec& spec, const Geometry& geometry);

  /// @param weight i8 codes in ONNX layout
  /// @param bias, scale one per output channel
  /// @param outside the code that the padding is made of
  /// @param flip    what every code of x is taken xor with: 128 turns i8 into u8
  /// @param next    results are codes of this format; null, or where the epilogue or the format
  ///                takes more than rounding: the values
  VnniLayer(const LinearSpec& spec,
            const Tensor& weight,
            const std::vector<std::int32_t>& bias,
            const std::vector<float>& scale,
            std::uint8_t outside,
            std::uint8_t flip,
            const QuantParams* next);

  /// @param x codes in channels_last, of a geometry it computes
  [[nodiscard]] Tensor run(const Tensor& x, const Geometry& geometry);

 private:
  Epilogue epilogue_;
  std::uint8_t outside_, flip_;
  DType result_ = DType::f32;
  VnniCodes codes_;
  std::int64_t taps_ = 1;
  std::int64_t row_ = 0;  ///< steps of a row of a window
  Tensor weight_;         ///< as VnniConvolution takes it
  std::vector<std::int32_t> bias_;
  std::vector<float> scale_;
  std::vector<std::int32_t> distance_;  ///< for the latest geometry
};

}  // namespace qsweep::detail
