#pragma once

#include <cstdint>
#include <vector>

#include "src/tensor/tensor.h"

#include "src/quant/format.h"

namespace qsweep {

/// Scales and zero points of one tensor. Real value of code q in slice s: (q - zero_point[s]) *
/// scale[s]. Spec: ONNX QuantizeLinear/DequantizeLinear, opset 21.
struct QuantParams {
  Format format;
  int axis = -1;              ///< per_channel: channel axis; per_block: the blocked (input) axis;
                              ///< negative counts from the end
  std::vector<float> scale;   ///< > 0; one (per_tensor), one per channel, or one per block
                              ///< (row-major, blocked axis divided, rounded up). Empty in a
                              ///< per_block format: each tensor's blocks have scales of their own
  float tensor_scale = 1.0f;  ///< ScaleFormat::e4m3: what the stored block scales are multiplied
                              ///< with; `scale` holds the products
  std::vector<std::int32_t> zero_point;  ///< empty means all 0; a code, so real 0 is exact
  friend bool operator==(const QuantParams&, const QuantParams&) = default;
};

/// Scale and zero point for real values in [min, max], extended to contain 0. A range of width 0
/// gets scale 1. Symmetric: scale = max(|min|, |max|) / highest code. Asymmetric: scale = (max -
/// min) / (codes - 1), zero_point = round_half_even(lowest - min / scale), saturated. Float8: scale
/// = amax / largest finite. f16, bf16, f32: no scale (empty). Per tensor. One-byte scales: no scale
/// but, for e4m3, the tensor_scale = amax / (largest finite * 448) of a tensor with this range.
/// @throws Error(numeric) if min or max is not finite.
[[nodiscard]] QuantParams params_from_range(float min, float max, const Format& format);

/// Scale of a block whose largest magnitude is `amax`, in a format with one-byte scales. e8m0:
/// 2^(floor(log2(amax)) - exponent of the format's largest value), in [2^-127, 2^127]. e4m3: E4M3
/// nearest to amax / (largest * tensor_scale), at least 2^-9, times tensor_scale. 1 for a block of
/// zeros.
[[nodiscard]] float block_scale(float amax, const Format& format, float tensor_scale);

/// Codes of x: saturate(round_half_even(x / scale) + zero_point). x is f32; the result has x's
/// shape and layout and dtype format.dtype: integers of 4 to 16 bits and float8/float4, codes of up
/// to 8 bits one to a byte. Thread-safe.
[[nodiscard]] Tensor quantize(const Tensor& x, const QuantParams& params);

/// The real values (f32) of codes made with `params`; also of i32 codes, as biases have.
[[nodiscard]] Tensor dequantize(const Tensor& codes, const QuantParams& params);

/// dequantize(quantize(x)), without materialising the codes; also f16 and bf16 rounding.
/// Bit-identical to the two-step form. f32 format returns x itself. Without scales in a per_block
/// format, blocks along params.axis (the last one, or axis 1 of an image tensor) take their scales
/// from x; a block with NaN or infinity becomes NaN. The result may have another layout than x
/// then.
[[nodiscard]] Tensor fake_quantize(const Tensor& x, const QuantParams& params);

}  // namespace qsweep
