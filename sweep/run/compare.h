#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/metrics/tensor_error.h"

#include "io/config/job.h"

#include "sweep/scoring/scorer.h"
#include "sweep/stages/progress.h"

namespace qsweep {

/// Extremes and moments of a tensor over all images.
struct TensorSummary {
  double min = 0.0, max = 0.0, mean = 0.0, std = 0.0;
};

/// One tensor of a float model and of a model made from it.
struct TensorComparison {
  std::string tensor;
  bool quantized = false;  ///< the other model has a Q/DQ pair on it
  ErrorSums local;        ///< before against after its Q/DQ pair, inside the other model: what this
                          ///< quantizer alone costs. ONNX Runtime's `qdq_err`
  ErrorSums accumulated;  ///< float model against the other (after the pair, if there is one): all
                          ///< that came before too. ONNX Runtime's `xmodel_err`
  TensorSummary in_float, in_other;
};

struct ModelComparison {
  std::string float_sha256, other_sha256;
  std::int64_t images = 0;
  std::vector<TensorComparison> tensors;  ///< in the order in which the other model computes them
  std::vector<std::string> unmatched;     ///< quantized tensors that the float model does not have
  /// Empty where the outputs cannot be scored, for the reason in `unscored`: then the figures below
  /// mean nothing.
  std::vector<Metric> metrics;
  std::string unscored;
  ScoreSummary float_summary, other_summary;
  ScoreComparison drop;  ///< of the other model against the float one
};

/// Runs the job's model and another (a QDQ or QOperator file, an FP16 model) on the job's
/// evaluation images and compares every float tensor they have in common by name (R128-R130).
/// Memory holds one batch. @throws Error(corrupt_input) when the models take different inputs.
[[nodiscard]] ModelComparison compare_models(const JobConfig& job,
                                             const std::filesystem::path& other,
                                             Progress& progress);

}  // namespace qsweep
