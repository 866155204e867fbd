#include "sweep/work/rank_state.h"

#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"

namespace qsweep {

void RankState::open(std::shared_ptr<const Workload> workload, std::string run) {
  workload_ = std::move(workload);
  run_ = std::move(run);
}

void RankState::set_ranges(std::vector<TensorStats> by_layer) {
  ranges_ = std::move(by_layer);
  forget_layers();
}

void RankState::set_adaptations(Adaptations adaptations) {
  adaptations_ = std::move(adaptations);
  forget_layers();
}

void RankState::forget_layers() {
  bank_.reset();
  setup_.reset();
}

const Workload& RankState::workload() const {
  if (!workload_) throw Error(ErrorCode::internal, "a task came before the job was open");
  return *workload_;
}

std::function<Tensor(Tensor)> RankState::constant_keeper() {
  const Workload& w = workload();
  if (node_ranks_ > 1 && !std::exchange(asked_for_constants_, true)) {
    // Kernels hold weights in a few forms, the largest of nine times their bytes. Addresses only.
    constexpr std::size_t kForms = 16;
    std::size_t bytes = 0;
    for (const LayerId layer : ids<LayerId>(w.layers().size()))
      bytes += w.model.program->weight(layer).bytes();
    try {
      constants_ =
          std::make_shared<SharedTensors>(NodeShare{.run = run_, .ranks = node_ranks_}, "constants",
                                          bytes * kForms * w.plan.precisions.all().size());
    } catch (const Error& e) {
      log_info(
          fmt::format("layers' constants are not shared by the ranks of this node: {}", e.what()));
    }
  }
  if (!constants_) return {};
  return [constants = constants_](Tensor own) { return constants->keep(std::move(own)); };
}

LayerBank& RankState::bank() {
  if (!bank_) {
    const Workload& w = workload();
    setup_ = std::make_unique<QuantSetup>(quant_setup(w, ranges_, adaptations_));
    setup_->keep = constant_keeper();
    bank_ = std::make_unique<LayerBank>(*w.model.program, *setup_);
  }
  return *bank_;
}

}  // namespace qsweep
