#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "src/results/conclusions.h"
#include "src/results/results.h"

namespace qsweep {

class FileSystem;

/// Writes every result file of DESIGN.md section 3 that derives from results (all but journal,
/// HDF5, composed configuration): layer-sensitivity-report.{md,json},
/// outputs/sweep_index.{csv,json}, outputs/failures.json, latency.csv, pareto.{csv,json},
/// tradeoff.csv, decision.json, calibration.json, confusion and per-class CSV files, report.html,
/// manifest.json. Each is replaced atomically. Byte-equal for equal results (manifest.json and the
/// elapsed columns aside). manifest.json is written last and lists every file with its SHA-256;
/// `other_files` are files that others wrote (relative to `directory`, read whole), listed as well.
/// @throws Error(io).
void write_reports(FileSystem& files,
                   const std::filesystem::path& directory,
                   const RunResults& results,
                   const Conclusions& conclusions,
                   std::span<const std::string> other_files);

/// Renderers, pure; one golden test each.
[[nodiscard]] std::string render_sensitivity_markdown(const RunResults& results,
                                                      const Conclusions& conclusions);
[[nodiscard]] std::string render_sensitivity_json(const RunResults& results,
                                                  const Conclusions& conclusions);
[[nodiscard]] std::string render_sweep_index_csv(const RunResults& results);
[[nodiscard]] std::string render_pareto_csv(const RunResults& results);
[[nodiscard]] std::string render_pareto_json(const RunResults& results);
[[nodiscard]] std::string render_tradeoff_csv(const RunResults& results);
[[nodiscard]] std::string render_decision_json(const RunResults& results,
                                               const Conclusions& conclusions);
/// As a job's `latency: {table: FILE}` reads it; layer `*` is the time outside layers.
[[nodiscard]] std::string render_latency_csv(const RunResults& results);
/// Every calibrated tensor's range by each calibrator, and the warnings (calibration.json).
[[nodiscard]] std::string render_calibration_json(const RunResults& results);
[[nodiscard]] std::string render_manifest_json(const RunResults& results,
                                               const Conclusions& conclusions);
/// One document with everything but predictions and confusion matrices; what `--json` prints.
[[nodiscard]] std::string render_results_json(const RunResults& results,
                                              const Conclusions& conclusions);
/// One self-contained page: no request leaves it.
[[nodiscard]] std::string render_html(const RunResults& results, const Conclusions& conclusions);
/// What people must read first, a line each: how far an unfinished run is, and the alarms; then an
/// empty line. Nothing when all is well.
[[nodiscard]] std::string render_notices(const RunResults& results);
/// The notices, then the front as a table for the terminal.
[[nodiscard]] std::string render_front_table(const RunResults& results);

}  // namespace qsweep
