#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/exec/placement.h"
#include "src/exec/program.h"

#include "io/config/job.h"
#include "io/onnx/notes.h"

namespace qsweep {

/// A job's model, ready to run: what follows from the file, the pinned shapes and the batch alone.
/// Immutable, shared by threads.
struct OpenModel {
  std::string digest;  ///< of the file, and of its external data
  std::string file_digest;
  ModelNotes notes;  ///< of the file
  std::unique_ptr<const Program> program;
  QuantizerPlacement placement;  ///< of the job's target
  Shape image_shape;             ///< [1, C, H, W]
  std::int64_t batch = 1;  ///< images per forward pass; 1 for models that cannot be re-batched
  Trace trace;             ///< of one image
  Trace batch_trace;       ///< of one batch
  std::vector<std::int64_t> layer_macs;

  [[nodiscard]] const std::vector<Layer>& layers() const { return program->layers(); }
  /// Values whose statistics calibration takes: what scales each layer's input, in layer order,
  /// then the placement's points.
  [[nodiscard]] std::vector<ValueId> calibrated() const;
  /// Work units (MACs and moved elements) of the float model on one image.
  [[nodiscard]] double image_work() const;
};

/// Reads the file and folds it. @throws as import_onnx(), and Error(unsupported) naming all
/// operators without kernels
[[nodiscard]] OpenModel open_model(const JobConfig& job);

}  // namespace qsweep
