#pragma once

#include "src/quant/format.h"

#include "io/onnx/export.h"

namespace qsweep::detail {

inline constexpr int kNewestOpset = 21;
/// From here on QuantizeLinear has output_dtype.
inline constexpr int kTypeAttributeOpset = 21;

/// The least opset whose QuantizeLinear and DequantizeLinear (or Cast) take this format; 0 for f32.
/// Spec: the operators' change logs: per-channel scales 13, float8 19, 4- and 16-bit integers and
/// blocks 21, float4 23.
[[nodiscard]] int least_opset(const Format& format);

/// INT4 codes of this layer's weight are stored as INT8: asked for, or as integer operators need.
[[nodiscard]] inline bool is_int4_in_int8(const LayerExport& layer, const ExportOptions& options) {
  return options.int4_as_int8 || (options.integer_operators && layer.integer);
}

/// The IR version that came with an opset (ONNX docs/Versioning.md).
[[nodiscard]] int ir_version_of(int opset);

}  // namespace qsweep::detail
