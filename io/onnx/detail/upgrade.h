#pragma once

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Rewrites nodes so that they mean under opset `to` what they mean under the graph's own, by the
/// list in opset_changes.inc. Values keep their ids and names; new nodes get names of their own.
/// Nothing happens when `to` is not above the graph's opset.
/// @param graph with the types that infer_types() gives
/// @throws Error(unsupported) listing every node that has no equivalent.
void upgrade_opset(Graph& graph, int to);

}  // namespace qsweep::detail
