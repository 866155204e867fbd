#pragma once

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Sets the element type of every value that a node of the default domain makes, from its operands
/// and attributes: files need not declare them. Operators of other domains keep what is declared.
void infer_types(Graph& graph);

}  // namespace qsweep::detail
