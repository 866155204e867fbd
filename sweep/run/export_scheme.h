#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "src/tensor/tensor.h"

#include "src/quant/affine.h"

#include "io/config/job.h"
#include "io/handoff/handoff.h"
#include "io/onnx/export.h"

#include "sweep/run/session.h"
#include "sweep/stages/progress.h"
#include "sweep/stages/stage.h"

namespace qsweep {

class FileSystem;  // io/fs/file_system.h

/// Where the files of an export will lie: scripts name them.
struct ExportPlaces {
  std::filesystem::path model;    ///< the scheme's ONNX file
  std::filesystem::path scripts;  ///< folder for other tools' scripts; empty: none
};

/// What lies in the scripts' folder.
struct ScriptFolder {
  std::vector<HandoffFile> scripts;
  ExportedModel float_model;  ///< model_fp32.onnx: folded, with the scheme's names
  Tensor calibration;         ///< calibration_data.npy; empty without calibration data
};

/// How a scheme rounds a layer's operands. Formats with one-byte or no scales have no `scale`.
struct LayerQuantizers {
  std::string layer, precision;
  QuantParams weight, input;
};

/// A scheme as an ONNX file.
struct SchemeFile {
  ExportedModel model;
  std::string scheme_text, scheme_id;         ///< those `qsweep eval` gives for the same options
  std::int64_t weight_bytes = 0;              ///< of the scheme as reports count it (SchemeSize)
  std::vector<LayerQuantizers> quantizers{};  ///< by layer
  std::string calibrator, weight_algorithm;   ///< where their ranges come from
  std::string card;  ///< the YAML for beside the file (model_card()); empty where the
                     ///< preprocessing of the model's input is not known
  std::optional<ScriptFolder> scripts{};
};

/// Calibrates if the scheme needs ranges and writes the file in memory. The job needs no evaluation
/// data.
/// @param scheme  text form; empty = the scheme of the job's preset and rules, or the float model,
///                folded
/// @param options its scheme, id and digest are filled in here
[[nodiscard]] SchemeFile export_scheme(const JobConfig& job,
                                       const std::string& scheme,
                                       const ExportOptions& options,
                                       const ExportPlaces& places,
                                       Session& session,
                                       Progress& progress);

/// The same with the model, settings and calibration of a run directory.
/// @param scheme `recommended`; `#N`: the N-th point of the front, as the report counts them; the
/// id or the name of one of the run's evaluations; or text form
/// @throws Error(config) when the run has no such scheme
[[nodiscard]] SchemeFile export_from_run(const std::filesystem::path& directory,
                                         const std::string& scheme,
                                         const ExportOptions& options,
                                         const ExportPlaces& places);

/// The same of an open run whose findings and records hold what the scheme needs.
[[nodiscard]] SchemeFile write_scheme(const Workload& workload,
                                      const CompiledJob::ListedScheme& scheme,
                                      const Findings& findings,
                                      const RecordStore& records,
                                      ExportOptions options,
                                      const ExportPlaces& places);

/// Where the larger constants go when they do not stay in the model's file.
[[nodiscard]] std::filesystem::path external_place(const ExportPlaces& places);

/// The files that write_scheme_file() makes whatever the scheme.
[[nodiscard]] std::vector<std::filesystem::path> scheme_file_places(const ExportPlaces& places,
                                                                    const ExportOptions& options);

/// Writes the file, its YAML, its external data and its scripts, together: a full disk leaves all
/// that was there. A YAML that no export wrote is left as it is, with a warning unless it says the
/// same. @throws Error(io)
void write_scheme_file(FileSystem& files, const SchemeFile& file, const ExportPlaces& places);

}  // namespace qsweep
