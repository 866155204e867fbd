#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/results/results.h"

#include "sweep/plan/additive_latency.h"

namespace qsweep {

/// What importing times has found out, for people.
struct LatencyImport {
  RunResults results;                      ///< with the new latencies
  std::vector<LatencyResidual> residuals;  ///< of the additive model
  std::int64_t files = 0;                  ///< schemes whose whole file was timed
  std::vector<std::string> remarks;  ///< sentences: time without a layer, answers that differ,
                                     ///< layers that ran at another precision, files that did
                                     ///< not run
};

/// Brings figures measured elsewhere into a finished run: its latency table becomes what the files
/// say (read_timings()), kept in the journal; fronts and reports are written anew. Nothing is
/// evaluated.
/// @param files paths, or NAME=PATH where NAME says which scheme a log or profile is of (id, name,
///        text form, or a precision: all layers at it). Otherwise the file says, or its name up to
///        the first dot.
/// @throws Error(config) when a name is no scheme of the run; Error(mismatch) when the files differ
///         in batch or threads, or nothing in them is of the float model; as read_timings()
[[nodiscard]] LatencyImport import_latency(const std::filesystem::path& directory,
                                           const std::vector<std::string>& files);

}  // namespace qsweep
