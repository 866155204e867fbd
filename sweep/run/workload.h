#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/quant/adapt.h"
#include "src/quant/observer.h"

#include "src/exec/program.h"

#include "io/config/job.h"
#include "io/data/dataset.h"
#include "io/onnx/import.h"

#include "ranks/transport.h"

#include "sweep/plan/scheme.h"
#include "sweep/run/task/task.h"

namespace qsweep {

/// What a workload is opened for. Calibrating alone asks nothing of task, outputs and evaluation
/// data.
enum class WorkloadUse : std::uint8_t { evaluate, calibrate };

/// A job opened on one rank: model, data and everything that follows from the configuration alone.
/// Immutable after open_workload(); shared by the threads of the rank. Equal jobs open to equal
/// workloads on every rank.
struct Workload {
  JobConfig job;
  ImportedModel model;  ///< its graph has moved into `program`
  std::unique_ptr<Program> program;
  std::unique_ptr<Dataset> evaluation;       ///< null when the job names none (export)
  std::unique_ptr<Dataset> calibration;      ///< null when the job names none
  std::vector<std::int64_t> evaluation_ids;  ///< in evaluation order; shards are cut from it
  std::vector<std::int64_t> calibration_ids;
  PrecisionSet precisions;
  std::uint8_t base = 0;  ///< sensitivity: precision of the layers that are not at the probed one
  std::vector<std::uint8_t> probed;  ///< sensitivity: precisions tried on every layer, none is base
  /// Schemes that the job gives: by text, then the one of its preset and rules.
  struct ListedScheme {
    std::string name, text;
  };
  std::vector<ListedScheme> listed_schemes;
  std::vector<QuantRule> rules;  ///< the preset's and the job's, all in order; may be empty
  Shape image_shape;             ///< [1, C, H, W]
  std::int64_t batch = 1;  ///< images per forward pass; 1 for models that cannot be re-batched
  Trace trace;             ///< of one image
  Trace batch_trace;       ///< of one batch
  std::vector<std::int64_t> layer_macs;
  std::vector<int> layer_step;             ///< step of each layer
  std::vector<int> leaders;                ///< by layer: see leaders_of(); itself unless tied
  std::unique_ptr<const VisionTask> task;  ///< null unless the job is evaluated
  CalibratorSettings calibrator;
  WeightSettings weights;
  WorkloadUse use = WorkloadUse::evaluate;
  NodeShare share;  ///< of the run, for the pictures of both data sets
  std::string
      settings;  ///< canonical text of what decides a scheme's numbers besides its assignment

  [[nodiscard]] std::int64_t shards() const;
  /// Sample ids of a shard.
  [[nodiscard]] std::span<const std::int64_t> shard_ids(std::int64_t shard) const;
  /// Names the run's records are about: model, data, numeric settings, engine and kernel ISA.
  [[nodiscard]] std::string fingerprint() const;
};

/// Opens model and data and checks that they fit each other: input shape, classes, leak between
/// calibration and evaluation images. Problems of independent inputs are reported together.
[[nodiscard]] std::shared_ptr<const Workload> open_workload(const JobConfig& job,
                                                            WorkloadUse use = WorkloadUse::evaluate,
                                                            const NodeShare& share = {});

/// Makes up a name for a run that rank 0 is about to begin.
[[nodiscard]] NodeShare new_share(const Transport& transport);

/// Logs what was decoded for the data sets of a workload.
void log_decoding(const Workload& workload);

/// Program, kernel libraries and instruction sets: what must be equal for ranks to compute the same
/// bits.
[[nodiscard]] std::string engine_identity();

/// Cuts [0, n) into runs of at most `batch`.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
[[nodiscard]] std::vector<Range> cut(std::int64_t n, std::int64_t batch);

[[nodiscard]] QuantDefaults quant_defaults(const JobConfig& job);

}  // namespace qsweep
