#pragma once

#include <vector>

#include "src/results/explanation.h"
#include "src/results/results.h"

namespace qsweep {

/// One for each probed precision whose uniform scheme loses over kTrainingAdvice, and more than
/// noise. Sums the run's score; for `sqnr`, which does not add up, KL. Pure.
[[nodiscard]] std::vector<Explanation> explain_losses(const RunResults& results);

}  // namespace qsweep
