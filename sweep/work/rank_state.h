#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/tensor/shared_tensors.h"

#include "src/exec/bank.h"

#include "sweep/job/workload.h"

namespace qsweep {

/// What a rank holds between its tasks: the open job, the ranges and adaptations it was told, and
/// the layers prepared from them. Used by one thread.
class RankState {
 public:
  /// @param node_ranks how many ranks of the run are on this one's node
  explicit RankState(int node_ranks) : node_ranks_(node_ranks) {}

  void open(std::shared_ptr<const Workload> workload, std::string run);
  void set_ranges(std::vector<TensorStats> by_layer);
  void set_adaptations(Adaptations adaptations);

  [[nodiscard]] bool is_open() const { return workload_ != nullptr; }
  /// @throws Error(internal) before open()
  [[nodiscard]] const Workload& workload() const;
  [[nodiscard]] const std::vector<TensorStats>& ranges() const { return ranges_; }
  [[nodiscard]] const Adaptations& adaptations() const { return adaptations_; }
  /// Layers prepared for the ranges and adaptations of now, made on first use.
  [[nodiscard]] LayerBank& bank();

 private:
  /// QuantSetup::keep; empty where nothing is to be shared, or cannot be.
  std::function<Tensor(Tensor)> constant_keeper();
  void forget_layers();

  int node_ranks_;
  std::shared_ptr<const Workload> workload_;
  std::string run_;
  std::vector<TensorStats> ranges_;                 ///< of OpenModel::calibrated(); empty before
  Adaptations adaptations_;                         ///< empty where no layer is adapted
  std::shared_ptr<const SharedTensors> constants_;  ///< of the layers; null: each rank has its own
  bool asked_for_constants_ = false;
  std::unique_ptr<QuantSetup> setup_;
  std::unique_ptr<LayerBank> bank_;
};

}  // namespace qsweep
