#pragma once

#include "sweep/plan/conclusions.h"

#include "tests/support/small_run.h"

namespace qsweep {

/// small_run(), once, with what it means.
inline const RunResults& the_run() {
  static const RunResults run = small_run();
  return run;
}
inline const Conclusions& its_conclusions() {
  static const Conclusions conclusions = conclude(the_run());
  return conclusions;
}

}  // namespace qsweep
