#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/quant/affine.h"

namespace qsweep {

/// How weight scales are chosen. The last four look at the layer's inputs (adapt.h).
enum class WeightAlgorithm {
  rtn,  ///< round to nearest, scale from the largest magnitude
  mse,  ///< the clip (of a fixed grid) with the least squared error per slice
  awq_lite,
  awq_clip,
  awq_full,
  smoothquant,
};
/// All of them, in this order.
[[nodiscard]] std::span<const WeightAlgorithm> all_weight_algorithms();
[[nodiscard]] WeightAlgorithm parse_weight_algorithm(std::string_view name);
[[nodiscard]] std::string_view name_of(WeightAlgorithm algorithm);

/// Where a weight's axes are: Conv [O, I/g, kH, kW] has output 0 and input 1; MatMul [K, N] output
/// 1, input 0.
struct WeightAxes {
  int output = 0;
  int input = 1;
};

/// A weight in a number format: codes with their parameters, or rounded floats for f16/bf16.
struct QuantizedWeight {
  Tensor
      codes;  ///< params.format.dtype, shape of the weight; f32 already rounded for f16, bf16, f32
  QuantParams params;
  [[nodiscard]] Tensor dequantized() const;  ///< f32, the values arithmetic sees
  /// Bytes as deployed: packed codes plus scales (4 bytes, or 1 and 4 for the tensor) and,
  /// when asymmetric, zero points.
  [[nodiscard]] std::int64_t stored_bytes() const;
};

/// Scales by `mse` if that is the algorithm, by `rtn` otherwise.
/// @param weight f32, finite (Error(numeric) naming the flat index otherwise)
[[nodiscard]] QuantizedWeight quantize_weight(const Tensor& weight,
                                              WeightAxes axes,
                                              const Format& format,
                                              WeightAlgorithm algorithm = WeightAlgorithm::rtn);

/// Rounded to nearest with each slice's range multiplied by its share `clip[slice]`, in (0, 1]; one
/// share per scale. Formats with a scale only.
[[nodiscard]] QuantizedWeight quantize_clipped(const Tensor& weight,
                                               WeightAxes axes,
                                               const Format& format,
                                               std::span<const float> clip);

/// By element: the slice (index into QuantParams::scale) it belongs to; empty for formats without a
/// scale.
[[nodiscard]] std::vector<std::uint32_t> weight_slices(const Shape& shape,
                                                       WeightAxes axes,
                                                       const Format& format);

/// stored_bytes() without quantizing: shape and format decide it.
[[nodiscard]] std::int64_t stored_weight_bytes(const Shape& shape,
                                               WeightAxes axes,
                                               const Format& format);

}  // namespace qsweep
