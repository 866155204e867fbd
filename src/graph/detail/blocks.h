#pragma once

#include <string>
#include <vector>

#include "src/graph/layers.h"

namespace qsweep::detail {

/// The block of each layer from the graph's structure, for models whose layers are called `Conv_41`
/// or `conv2d_7` and so tell none: `stem`, the first layer; `head`, layers whose result joins no
/// other path and is not pooled, resized or flattened before the next layer; `neck`, other layers
/// behind an upsampling; `backbone`, the rest. Convolutions but the stem carry how much the input
/// has shrunk there, `backbone/8`, where the attributes of strided operators tell.
[[nodiscard]] std::vector<std::string> blocks_by_structure(const Graph& graph,
                                                           const std::vector<Layer>& layers);

}  // namespace qsweep::detail
