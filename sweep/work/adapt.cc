#include "sweep/work/adapt.h"

#include "src/quant/adapt.h"

#include "sweep/work/records.h"

namespace qsweep {

Bytes adapt(RankState& rank, const AdaptTask& task) {
  const Workload& w = rank.workload();
  const Layer& layer = w.model.program->layer(task.layer);
  return encode(adapt_layer(w.model.program->weight(task.layer),
                            {layer.output_axis, layer.input_axis}, w.precision(task.precision),
                            w.plan.weights, task.inputs,
                            rank.bank().activation(task.layer, task.precision)));
}

}  // namespace qsweep
