#pragma once

#include <span>
#include <string>
#include <vector>

#include "src/graph/layers.h"

#include "sweep/plan/sensitivity.h"

namespace qsweep {

/// A block of the network as people speak of it, with what its most sensitive layer says (R139).
struct GroupSensitivity {
  std::string name;
  int layers = 0;
  double worst_drop = 0.0;
  double mean_drop = 0.0;  ///< over its layers and the probed precisions
  double worst_kl = 0.0;
  double work_share = 0.0;  ///< of the model's MACs: what speeding the group up can change
  SensitivityClass sensitivity = SensitivityClass::low;
  std::string recommendation;
};

/// Blocks in order of their first layer, then kinds of layers that several blocks have and that are
/// not all of the model: `all attention`, `all MLP`, `all depthwise`. `work_share` by layer,
/// summing to at most 1. Only single-layer (`only`) records count; the class is that of the worst
/// layer over all probed precisions.
[[nodiscard]] std::vector<GroupSensitivity> group_sensitivity(
    std::span<const Layer> layers,
    std::span<const double> work_share,
    std::span<const SensitivityRecord> records);

}  // namespace qsweep
