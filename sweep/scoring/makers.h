#pragma once

#include "sweep/scoring/scorer.h"

namespace qsweep {

/// One maker per task; make_scorer() holds the list.
[[nodiscard]] std::unique_ptr<const Scorer> make_classification(
    const JobConfig& job,
    const ScoredModel& model,
    const Dataset& evaluation,
    std::span<const std::int64_t> samples);
[[nodiscard]] std::unique_ptr<const Scorer> make_detection(const JobConfig& job,
                                                           const ScoredModel& model,
                                                           const Dataset& evaluation,
                                                           std::span<const std::int64_t> samples);
[[nodiscard]] std::unique_ptr<const Scorer> make_segmentation(
    const JobConfig& job,
    const ScoredModel& model,
    const Dataset& evaluation,
    std::span<const std::int64_t> samples);

/// Names of classes that the data does not name: 0, 1, ...
[[nodiscard]] std::vector<std::string> numbered_classes(std::int64_t classes);

}  // namespace qsweep
