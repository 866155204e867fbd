#pragma once

#include <span>

#include "src/quant/weight.h"

namespace qsweep {

/// Widens the scales of a weight whose layer computes on codes until every bias fits INT32 in steps
/// of input_scale * weight scale, and rounds the codes anew. Weights that small beside their bias
/// add nothing to the output, and a clipped bias would shift it. As ONNX Runtime's quantize_static
/// does, with its margin of 1.0001.
/// @param bias real, one per output channel; may be empty. A grouped ConvTranspose has one scale
///             for each output channel of a group.
/// @pre per tensor or per channel
void widen_for_bias(QuantizedWeight& weight, std::span<const float> bias, float input_scale);

}  // namespace qsweep
