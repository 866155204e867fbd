#include "sweep/stages/findings.h"

#include <algorithm>
#include <limits>

namespace qsweep {

bool Findings::is_complete() const {
  return std::ranges::all_of(stages, [](const StageProgress& s) { return s.done == s.planned; });
}

std::vector<SensitivityRecord> sensitivity_records(const Findings& f) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  std::vector<SensitivityRecord> records;
  for (std::size_t i = 0; i < f.cases.size(); ++i) {
    const SensitivityCase& c = f.cases[i];
    const SchemeResult& result = f.case_results[i];
    if (!result.is_ok() || !f.base.is_ok()) continue;
    const ScoreComparison paired = result.verdict->compare(*f.base.verdict);
    SensitivityRecord s;
    s.layer = c.layer;
    s.precision = c.precision;
    s.mode = c.mode;
    s.kl = result.mean_kl;
    s.output_mse = result.output_error.mse();
    s.metric = result.verdict->metric();
    s.metric_drop = paired.drop;
    s.drop_low = paired.interval.low;
    s.drop_high = paired.interval.high;
    s.standard_error = paired.standard_error;
    s.has_nonfinite = result.nonfinite;
    const auto probe = std::ranges::find(result.probes, c.layer, &ShardResult::LayerProbe::layer);
    const bool probed = c.is_probed && probe != result.probes.end();
    s.sqnr_db = probed ? probe->output.sqnr_db() : kNaN;
    s.mse = probed ? probe->output.mse() : kNaN;
    s.cosine = probed ? probe->output.cosine() : kNaN;
    s.qdq_error = probed ? probe->input.relative_error() : kNaN;
    records.push_back(s);
  }
  return records;
}

}  // namespace qsweep
