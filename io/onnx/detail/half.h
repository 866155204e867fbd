#pragma once

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Makes every FP32 value of a graph FP16: constants are rounded half to even (finite ones saturate
/// at 65504), Cast nodes stand behind FP32 inputs and before FP32 outputs, whose names and types
/// stay. Operands that ONNX has in FP32 only (Resize scales, NonMaxSuppression) stay or are cast
/// back. Ids of values stay.
/// @throws Error(unsupported) listing the operators that have no FP16 form, and for models that are
/// quantized already.
void to_half(Graph& graph);

}  // namespace qsweep::detail
