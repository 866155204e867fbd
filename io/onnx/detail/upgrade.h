#pragma once

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Rewrites nodes so that they mean under opset `to` what they mean under the graph's own: operands
/// that were attributes, Softmax over coerced axes, Upsample. Values keep their ids and names; new
/// nodes get names of their own. Nothing happens when `to` is the graph's opset.
/// Spec: the change logs of the operators in ONNX docs/Changelog.md, opset 9 to 21.
/// @throws Error(unsupported) listing every node that has no equivalent.
void upgrade_opset(Graph& graph, int to);

}  // namespace qsweep::detail
