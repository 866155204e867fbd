#pragma once

#include <map>
#include <string>

#include "src/graph/graph.h"

namespace qsweep::detail {

/// Puts Cast nodes behind inputs and before outputs whose type is another than the graph computes
/// with; they take over the names, and the values inside get others. Ids of values stay.
/// @param types by name of an input or output; those without one keep the graph's
void cast_ports(Graph& graph, const std::map<std::string, DType>& types);

}  // namespace qsweep::detail
