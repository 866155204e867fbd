#pragma once

#include <span>
#include <vector>

#include "src/graph/layers.h"

namespace qsweep {

/// Layers whose results meet in one tensor, by a sum or a concatenation that later layers read, and
/// which one integer format for that tensor would bind together: residual chains, inputs of a
/// concatenation. Activations, pooling, resizing and reshaping in between keep the bond; a
/// normalisation, a softmax or a gate makes a tensor of its own. Groups of two and more layer
/// indices, ascending, in order of their first; transitive.
[[nodiscard]] std::vector<std::vector<LayerId>> find_ties(const Graph& graph,
                                                          std::span<const Layer> layers);

/// For each layer the first of those it shares its precision with: itself where it is alone.
/// `untied` layers leave their groups; a group that one layer is left of is none.
[[nodiscard]] std::vector<LayerId> leaders_of(std::span<const std::vector<LayerId>> ties,
                                              std::size_t layers,
                                              std::span<const LayerId> untied = {});

}  // namespace qsweep
