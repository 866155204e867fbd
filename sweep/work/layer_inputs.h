#pragma once

#include <vector>

#include "src/quant/layer_inputs.h"

#include "sweep/job/workload.h"

namespace qsweep {

/// Inputs of every layer, by layer, over calibration images [begin, end); empty for layers that no
/// precision adapts. A layer's sample has a fixed number of rows, dealt evenly to the images of
/// the whole set; which row of an image is drawn by a hash of image, layer and row number. Parts
/// of the set appended in order give the same as the whole set.
[[nodiscard]] std::vector<LayerInputs> gather_inputs(const Workload& workload, Range images);

}  // namespace qsweep
