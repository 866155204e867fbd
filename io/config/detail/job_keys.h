#pragma once

#include "io/config/detail/keys.h"
#include "io/config/job.h"

namespace qsweep::config {

/// Whether data must be named: jobs of commands that evaluate or calibrate nothing have none.
enum class Completeness { whole, partial };

/// Every key of the job file: the one place that knows their names, types, defaults and meanings.
[[nodiscard]] Keys<JobConfig> job_keys(Completeness completeness = Completeness::whole);

/// The keys of the YAML beside a model.
[[nodiscard]] Keys<JobConfig> card_keys();

}  // namespace qsweep::config
