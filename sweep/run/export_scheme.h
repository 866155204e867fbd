#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "io/config/job.h"
#include "io/onnx/export.h"

#include "ranks/transport.h"

#include "sweep/run/progress.h"

namespace qsweep {

/// A scheme as an ONNX file.
struct SchemeFile {
  ExportedModel model;
  std::string scheme_text, scheme_id;  ///< those `qsweep eval` gives for the same options
  std::int64_t weight_bytes = 0;       ///< of the scheme as reports count it (SchemeSize)
};

/// Calibrates if the scheme needs ranges and writes the file in memory. The job needs no evaluation
/// data.
/// @param scheme  text form; empty = the float model, folded
/// @param options its scheme, id and digest are filled in here
[[nodiscard]] SchemeFile export_scheme(const JobConfig& job,
                                       const std::string& scheme,
                                       const ExportOptions& options,
                                       Transport& transport,
                                       Progress& progress,
                                       const std::atomic<bool>& stop);

/// The same with the model, settings and calibration of a run directory.
/// @param scheme id of one of the run's evaluations, or text form
/// @throws Error(config) when the run has no scheme of this id
[[nodiscard]] SchemeFile export_from_run(const std::filesystem::path& directory,
                                         const std::string& scheme,
                                         const ExportOptions& options);

}  // namespace qsweep
