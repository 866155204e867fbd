#include "src/results/decision.h"

namespace qsweep {

std::string_view name_of(Profile profile) {
  switch (profile) {
    case Profile::high_precision:
      return "high-precision";
    case Profile::general:
      return "general";
    case Profile::realtime:
      return "realtime";
  }
  return "";
}

std::string_view name_of(Acceptance acceptance) {
  switch (acceptance) {
    case Acceptance::accept:
      return "accept";
    case Acceptance::warn:
      return "accept with a warning";
    case Acceptance::reject:
      return "reject";
  }
  return "";
}

}  // namespace qsweep
