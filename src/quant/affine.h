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
  int axis = -1;             ///< per_channel: channel axis; per_block: the blocked (input) axis
  std::vector<float> scale;  ///< > 0; one (per_tensor), one per channel, or one per block
                             ///< (row-major, blocked axis divided, rounded up)
  std::vector<std::int32_t> zero_point;  ///< empty means all 0; a code, so real 0 is exact
  friend bool operator==(const QuantParams&, const QuantParams&) = default;
};

/// Scale and zero point for real values in [min, max], extended to contain 0. A range of width 0
/// gets scale 1. Symmetric: scale = max(|min|, |max|) / highest code. Asymmetric: scale = (max -
/// min) / (codes - 1), zero_point = round_half_even(lowest - min / scale), saturated. Float8: scale
/// = amax / largest finite. f16, bf16, f32: no scale (empty). Per tensor. @throws Error(numeric) if
/// min or max is not finite.
[[nodiscard]] QuantParams params_from_range(float min, float max, const Format& format);

/// Codes of x: saturate(round_half_even(x / scale) + zero_point). x is f32; the result has x's
/// shape and layout and dtype format.dtype (integer and float8/float4 formats, one code per byte).
/// Thread-safe.
[[nodiscard]] Tensor quantize(const Tensor& x, const QuantParams& params);

/// The real values (f32) of codes made with `params`.
[[nodiscard]] Tensor dequantize(const Tensor& codes, const QuantParams& params);

/// dequantize(quantize(x)), without materialising the codes; also f16 and bf16 rounding.
/// Bit-identical to the two-step form. f32 format returns x itself.
[[nodiscard]] Tensor fake_quantize(const Tensor& x, const QuantParams& params);

}  // namespace qsweep
