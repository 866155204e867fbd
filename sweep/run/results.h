#pragma once

#include <vector>

#include "src/results/results.h"

#include "sweep/job/workload.h"
#include "sweep/stages/findings.h"

namespace qsweep {

/// Everything the reports say, computed from findings alone: equal findings, equal results.
[[nodiscard]] RunResults assemble(const Workload& workload,
                                  const Findings& findings,
                                  const RunResults::Ledger& ledger);

/// Says the alarms about the float model on stderr, as warnings. Those about data were said when it
/// was opened (warnings_of()).
void warn_of_alarms(const RunResults& results);

/// What a calibration without evaluations says: inputs, ranges, warnings.
[[nodiscard]] RunResults assemble_calibration(const Workload& workload,
                                              const std::vector<TensorStats>& stats);

}  // namespace qsweep
