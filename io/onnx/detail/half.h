#pragma once

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Makes every FP32 value of a graph FP16: constants are rounded half to even (finite ones saturate
/// at 65504). Operands and results that ONNX has in FP32 only (Celu, Resize scales) stay FP32
/// between Casts. Ids of values stay.
/// @param graph with the types that infer_types() gives
/// @throws Error(unsupported) listing the quantizing operators of a model that is quantized
/// already.
void to_half(Graph& graph);

}  // namespace qsweep::detail
