#pragma once

#include <optional>
#include <vector>

#include "src/exec/bank.h"
#include "src/results/results.h"

#include "sweep/plan/latency.h"
#include "sweep/plan/sensitivity.h"
#include "sweep/run/evaluation.h"

namespace qsweep {

/// One sensitivity evaluation: a scheme made for it, and what it stands for.
struct SensitivityCase {
  int layer = 0;
  std::uint8_t precision = 0;
  std::string mode;  ///< only | all_but
  Scheme scheme;
  Detail detail = Detail::none;  ///< probes where no other layer's errors reach this one's
};

/// What a run has found so far; parts not reached yet are empty.
struct Findings {
  std::vector<TensorStats> stats;  ///< by layer
  Adaptations adaptations;
  SchemeResult baseline;
  SchemeResult base;  ///< all layers at Workload::base; what drops of the cases are against
  std::vector<SensitivityCase> cases;
  std::vector<SchemeResult> case_results;
  std::vector<Scheme> schemes;
  std::vector<SchemeResult> scheme_results;
  std::optional<LatencyTable> latency;
};

/// The records behind a layer ranking (R119-R127).
[[nodiscard]] std::vector<SensitivityRecord> sensitivity_records(const Findings& findings);

/// Everything the reports say, computed from findings alone: equal findings, equal results.
[[nodiscard]] RunResults assemble(const Workload& workload,
                                  const Findings& findings,
                                  const RunResults::Ledger& ledger);

/// What a calibration without evaluations says: inputs, ranges, warnings.
[[nodiscard]] RunResults assemble_calibration(const Workload& workload,
                                              const std::vector<TensorStats>& stats);

}  // namespace qsweep
