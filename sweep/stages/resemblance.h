#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "io/data/dataset.h"

namespace qsweep {

/// What is looked at of a picture as the model gets it: mean, standard deviation, and roughness
/// (mean step between horizontal neighbours over the deviation; noise is near 1.1, pictures far
/// below).
using ImageTraits = std::array<double, 3>;

[[nodiscard]] std::vector<ImageTraits> image_traits(const Dataset& data,
                                                    std::span<const std::int64_t> ids,
                                                    const InputSpec& input);

/// Empty when the two sets of images resemble each other; else a sentence that names the traits
/// whose means lie over one pooled standard deviation apart (Cohen's d).
[[nodiscard]] std::string describe_mismatch(const std::vector<ImageTraits>& calibration,
                                            const std::vector<ImageTraits>& evaluation);

}  // namespace qsweep
