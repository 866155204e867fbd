#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "src/tensor/tensor.h"

#include "src/metrics/detection.h"
#include "src/metrics/statistics.h"

#include "io/config/job.h"
#include "io/data/dataset.h"

namespace qsweep {

/// A figure that a task reports: a share, 0 to 1, larger is better.
struct Metric {
  std::string name;   ///< column and member name: top1, map50
  std::string title;  ///< for people: top-1, AP50
};

/// What one model did on all evaluated images.
struct ScoreSummary {
  std::int64_t images = 0;
  std::vector<double> metrics;  ///< in the order of Scorer::metrics()
  /// Where a metric is a share of the images: how many they are. Empty for other tasks.
  std::vector<std::int64_t> correct{};
  Interval interval;                      ///< of the first metric
  std::vector<double> class_metric;       ///< first metric by class; NaN where there is none
  std::vector<std::int64_t> confusion{};  ///< [label * classes + prediction], where it exists
  std::vector<std::int32_t> top1{};       ///< classification: by image
  std::vector<Detection> detections{};    ///< detection: `image` is the sample
};

/// A model against a baseline on the same images.
struct ScoreComparison {
  double drop = 0.0;  ///< of the first metric; positive = worse than the baseline
  double standard_error = 0.0;
  Interval interval;  ///< of drop
  double p_value = 1.0;
  double agreement = 1.0;  ///< share of what both predict alike
};

/// The outcomes of one model on all evaluated images, ready to be summed up and compared.
/// Immutable, thread-safe.
class Verdict {
 public:
  virtual ~Verdict() = default;
  [[nodiscard]] virtual ScoreSummary summary() const = 0;
  /// The first of its metrics alone.
  [[nodiscard]] virtual double metric() const = 0;
  /// @param baseline of the same task
  [[nodiscard]] virtual ScoreComparison compare(const Verdict& baseline) const = 0;
  /// What `--predictions` writes: one file of the task's customary format.
  [[nodiscard]] virtual std::string predictions() const = 0;
};

/// How far an image's outputs are from the float model's.
struct ImageScore {
  float divergence = 0.0f;  ///< nats, at least 0; infinity where outputs are not finite
  bool finite = true;
};

/// What a model's outputs mean: turns them into outcomes of images, and those into figures.
/// Outcomes are byte strings that only the task reads, one after another in image order: they
/// travel between ranks and lie in the journal. An image's outcome depends on its own outputs
/// alone. Immutable, thread-safe. To add a task: an implementation in this folder and a line in
/// make_scorer().
class Scorer {
 public:
  virtual ~Scorer() = default;
  /// The figures in reporting order; the first is what runs optimise.
  [[nodiscard]] virtual const std::vector<Metric>& metrics() const = 0;
  [[nodiscard]] virtual std::vector<std::string> class_names() const = 0;
  /// Scores a batch and appends an outcome per image.
  /// @param outputs of the model, f32 row_major, batch first. @param baseline the float model's
  /// @param detailed keep also what only predictions() needs
  [[nodiscard]] virtual std::vector<ImageScore> score(std::span<const Tensor> outputs,
                                                      std::span<const Tensor> baseline,
                                                      std::span<const std::int64_t> samples,
                                                      bool detailed,
                                                      ByteWriter& outcomes) const = 0;
  /// @param outcomes of all evaluated samples, in order, all scored with this `detailed`
  /// @throws Error(corrupt_input) when they are not that
  [[nodiscard]] virtual std::unique_ptr<const Verdict> judge(ByteView outcomes,
                                                             bool detailed) const = 0;
};

/// The model as a task sees it.
struct ScoredModel {
  std::vector<Shape> outputs;  ///< of one image
  Shape input;                 ///< of one image
  bool ends_in_softmax = false;
};

/// The job's task on its evaluation data, which must outlive it, as `samples` of it.
/// @throws Error(mismatch) or
/// Error(unsupported) when model, data and task do not fit each other.
[[nodiscard]] std::unique_ptr<const Scorer> make_scorer(const JobConfig& job,
                                                        const ScoredModel& model,
                                                        const Dataset& evaluation,
                                                        std::span<const std::int64_t> samples);

}  // namespace qsweep
