#pragma once

#include <vector>

#include "src/results/decision.h"
#include "src/results/explanation.h"

namespace qsweep {

/// What results mean. Pointers point into the results it was made from, which must outlive it.
struct Conclusions {
  Decision decision;
  std::vector<Explanation> explanations{};  ///< of uniform precisions that lose much
};

}  // namespace qsweep
