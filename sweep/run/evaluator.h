#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "src/tensor/shared_tensors.h"

#include "src/exec/bank.h"
#include "src/exec/walk.h"

#include "ranks/coordinator.h"

#include "sweep/run/records.h"
#include "sweep/run/workload.h"

namespace qsweep {

/// What a rank does with its tasks: calibrates, evaluates schemes on shards, captures activations.
/// Its results are pure functions of the task and of the state configured before; used by one
/// thread.
class Evaluator final : public TaskHandler {
 public:
  /// @param node_ranks how many ranks of the run are on this one's node
  /// @param workload null on ranks that learn the job from an open_job message
  explicit Evaluator(int rank, int node_ranks, std::shared_ptr<const Workload> workload = nullptr);

  void configure(ByteView state) override;
  Bytes run(ByteView task) override;

  /// Null before the job is open.
  [[nodiscard]] const Workload* workload() const { return workload_.get(); }

  /// State messages for configure().
  /// @param log_directory where ranks keep their logs; empty = nowhere
  [[nodiscard]] static Bytes open_job_message(const Workload& workload,
                                              const std::string& log_directory);
  [[nodiscard]] static Bytes ranges_message(const std::vector<TensorStats>& by_layer);
  [[nodiscard]] static Bytes adaptations_message(const Adaptations& adaptations);

 private:
  Bytes calibrate(const CalibrateTask& task);
  Bytes adapt(const AdaptTask& task);
  Bytes evaluate(const EvaluateTask& task);
  Bytes capture(const CaptureTask& task);
  LayerBank& bank();
  /// QuantSetup::keep; empty where nothing is to be shared, or cannot be.
  std::function<Tensor(Tensor)> constant_keeper();
  using Outputs = std::vector<Tensor>;
  /// The float model's outputs on a shard, batch by batch; kept while there is room.
  const std::vector<Outputs>& baseline(std::int64_t shard);
  const std::vector<Outputs>& keep_baseline(std::int64_t shard, std::vector<Outputs> batches);

  int rank_;
  int node_ranks_;
  std::shared_ptr<const Workload> workload_;
  std::vector<TensorStats> stats_;                  ///< by layer; empty before calibration
  Adaptations adaptations_;                         ///< empty before adapt_layers()
  std::shared_ptr<const SharedTensors> constants_;  ///< of the layers; null: each rank has its own
  bool asked_for_constants_ = false;
  std::unique_ptr<QuantSetup> setup_;
  std::unique_ptr<LayerBank> bank_;
  std::map<std::int64_t, std::vector<Outputs>> baseline_;  ///< by shard
  std::size_t baseline_bytes_ = 0;
};

}  // namespace qsweep
