#include "sweep/work/calibrate.h"

#include <map>

#include <fmt/format.h>

#include "src/base/error.h"

#include "sweep/work/layer_inputs.h"
#include "sweep/work/records.h"

namespace qsweep {
namespace {

/// One observer per tensor; those who need the same tensor share it.
using Observers = std::map<ValueId, TensorStats>;

Observers make_observers(const RankState& rank, CalibrationPass pass) {
  Observers observers;
  const std::vector<ValueId> values = rank.workload().model.calibrated();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (pass == CalibrationPass::histogram) {
      observers.try_emplace(values[i], rank.ranges().at(i).empty_histogram());
    } else {
      observers.try_emplace(values[i]);
    }
  }
  return observers;
}

/// Adds a tensor of the images `ids`, image by image where it is batched.
void observe(TensorStats& stats,
             CalibrationPass pass,
             const Tensor& tensor,
             std::span<const std::int64_t> ids,
             const std::string& name) {
  const auto all = tensor.data<float>();
  const bool by_image = tensor.rank() > 0 && tensor.dim(0) == static_cast<std::int64_t>(ids.size());
  const std::size_t slice = by_image ? all.size() / ids.size() : all.size();
  for (std::size_t i = 0; i + slice <= all.size() && slice > 0; i += slice) {
    const auto image = all.subspan(i, slice);
    try {
      pass == CalibrationPass::histogram ? stats.add_histogram(image) : stats.add_range(image);
    } catch (const Error& e) {
      throw Error(e.code(), fmt::format("{} (image {})", e.message(), ids[i / slice]),
                  fmt::format("tensor '{}'", name),
                  "Check the calibration images, and scale, mean and std of the input");
    }
  }
}

}  // namespace

Bytes calibrate(RankState& rank, const CalibrateTask& task) {
  const Workload& w = rank.workload();
  if (task.pass == CalibrationPass::inputs) return encode_inputs(gather_inputs(w, task.images));
  Observers observers = make_observers(rank, task.pass);
  FloatRunner runner(*w.model.program);
  for (const Range& r : cut(task.images.size(), w.model.batch)) {
    const Range batch{task.images.begin + r.begin, task.images.begin + r.end};
    const Tensor images = w.calibration.images(batch);
    const auto ids = w.calibration.ids(batch);
    (void)runner.run({&images, 1}, [&](ValueId value, const Tensor& tensor) {
      const auto at = observers.find(value);
      if (at == observers.end() || tensor.dtype() != DType::f32) return;
      observe(at->second, task.pass, tensor, ids, w.model.program->graph().value(value).name);
    });
  }
  std::vector<TensorStats> stats;
  for (const ValueId value : w.model.calibrated()) stats.push_back(observers.at(value));
  return encode_ranges(stats);
}

}  // namespace qsweep
