#include "sweep/work/capture.h"

#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "src/exec/walk.h"

#include "io/fs/file_system.h"
#include "io/store/sweep_store.h"

#include "sweep/work/records.h"

namespace qsweep {
namespace {

/// Keeps the probed values of chosen layers, images appended in order.
class CaptureSink final : public WalkSink {
 public:
  explicit CaptureSink(std::span<const LayerId> layers) : wanted_(layers.begin(), layers.end()) {}
  void output(int, std::span<const Tensor>) override {}
  void probe(const Probe& p) override {
    if (!wanted_.contains(p.layer)) return;
    auto& [floats, quantized] = values_[p.layer];
    floats.push_back(p.baseline.to_layout(Layout::row_major));
    quantized.push_back(p.value.to_layout(Layout::row_major));
  }
  [[nodiscard]] std::vector<ActivationPart> parts(std::span<const Layer> layers) const {
    std::vector<ActivationPart> parts;
    for (const auto& [layer, values] : values_) {
      parts.push_back({layers[layer.index()].name, stack(values.first), stack(values.second)});
    }
    return parts;
  }

 private:
  static Tensor stack(const std::vector<Tensor>& batches) {
    Shape shape = batches.front().shape();
    shape[0] = 0;
    for (const Tensor& t : batches) shape[0] += t.dim(0);
    Tensor all(DType::f32, shape);
    auto out = all.mutable_data<float>().begin();
    for (const Tensor& t : batches)
      out = std::copy(t.data<float>().begin(), t.data<float>().end(), out);
    return all;
  }
  std::set<LayerId> wanted_;
  std::map<LayerId, std::pair<std::vector<Tensor>, std::vector<Tensor>>> values_;
};

}  // namespace

Bytes capture(RankState& rank, int number, const CaptureTask& task) {
  const Workload& w = rank.workload();
  const std::vector<Assignment> schemes = {Assignment(task.reference.size(), 0), task.reference};
  const Walk walk = plan_walk(
      *w.model.program, w.model.batch_trace, w.plan.precisions.all(), schemes,
      {.probe = true, .adaptations = &rank.adaptations(), .placement = &w.model.placement});
  CaptureSink sink(task.layers);
  for (const Range& batch : cut(task.images, w.model.batch))
    run_walk(walk, rank.bank(), w.evaluation.images(batch), sink);
  const std::string file = fmt::format("rank-{}-part-{}.h5", number, task.part);
  write_activation_part(real_file_system(), std::filesystem::path(task.directory) / file,
                        sink.parts(w.layers()));
  return encode_activation_part(file);
}

}  // namespace qsweep
