#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/node_memory.h"

#include "src/exec/bank.h"

#include "sweep/job/compiled.h"
#include "sweep/job/identity.h"
#include "sweep/job/images.h"
#include "sweep/job/model.h"
#include "sweep/scoring/scorer.h"

namespace qsweep {

/// What a workload is opened for. Looking at tensors needs images; task and outputs only where they
/// fit each other. Calibrating alone skips the checks of task, outputs and evaluation data.
enum class WorkloadUse : std::uint8_t { evaluate, look, calibrate };

/// Images that schemes are evaluated on: the first so many of the evaluation set, cut into shards,
/// and what scores them. Batches are cut from a shard, never across it.
struct EvaluationScope {
  std::int64_t images = 0;
  std::int64_t shard_images = 0;
  std::shared_ptr<const Scorer> scorer;

  [[nodiscard]] IdRange<ShardId> shards() const {
    return ids<ShardId>(
        static_cast<std::size_t>(images / shard_images + (images % shard_images == 0 ? 0 : 1)));
  }
  /// The evaluation images of a shard.
  [[nodiscard]] Range shard(ShardId id) const;
};

/// A job opened by a process: what it is about (model, images, digests), what it asks for, and what
/// its numbers follow from. Immutable after open_workload(), shared by the thread ranks of a
/// process. Equal jobs on equal files open to workloads of equal identity on every rank.
struct Workload {
  JobConfig job;
  WorkloadUse use = WorkloadUse::evaluate;
  OpenModel model;
  ImageSet calibration;
  ImageSet evaluation;
  CompiledJob plan;
  EvaluationScope all;   ///< every evaluation image; without a scorer unless the job is evaluated
  std::string unscored;  ///< use `look`: why there is no scorer; else empty
  EvaluationScope probing;  ///< those of the single-layer runs (sensitivity.images)
  Identity identity;
  std::string scheme_settings;  ///< the text of the identity's part that schemes need

  [[nodiscard]] const std::vector<Layer>& layers() const { return model.layers(); }
  [[nodiscard]] const Precision& precision(std::uint8_t index) const {
    return plan.precisions.at(index);
  }
  /// The scheme of an assignment, with its id.
  [[nodiscard]] Scheme scheme(std::string name, std::vector<std::uint8_t> precision) const;
  /// All layers at one precision.
  [[nodiscard]] Scheme uniform(std::uint8_t precision) const;
};

/// Opens model and data and checks that they fit each other: input shape, classes, leak between
/// calibration and evaluation images. Problems of independent inputs are reported together.
[[nodiscard]] std::shared_ptr<const Workload> open_workload(const JobConfig& job,
                                                            WorkloadUse use = WorkloadUse::evaluate,
                                                            const NodeShare& share = {});

/// What layers of the workload are prepared from.
/// @param stats of OpenModel::calibrated(); empty where no precision needs ranges
[[nodiscard]] QuantSetup quant_setup(const Workload& workload,
                                     const std::vector<TensorStats>& stats,
                                     Adaptations adaptations = {});

/// What people should know about an opened job: warnings of plan and data. Sentences, each once.
[[nodiscard]] std::vector<std::string> warnings_of(const Workload& workload);

/// Logs what was decoded for the data sets of a workload.
void log_decoding(const Workload& workload);

/// The workloads that a process has open, by run, so that its thread ranks share one. Holds none
/// alive. Thread-safe.
class WorkloadShelf {
 public:
  void put(const std::string& run, const std::shared_ptr<const Workload>& workload);
  /// Null when this process has not opened the run's job, or has closed it.
  [[nodiscard]] std::shared_ptr<const Workload> find(const std::string& run);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const Workload>> by_run_;
};

}  // namespace qsweep
