#include "sweep/plan/conclusions.h"

#include "sweep/plan/decision.h"
#include "sweep/plan/explanation.h"

namespace qsweep {

Conclusions conclude(const RunResults& results) {
  return {.decision = decide(results), .explanations = explain_losses(results)};
}

}  // namespace qsweep
