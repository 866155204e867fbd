#include "sweep/job/model.h"

#include <numeric>
#include <utility>

#include "io/onnx/import.h"

namespace qsweep {

double OpenModel::image_work() const {
  return std::accumulate(trace.work.begin(), trace.work.end(), 0.0);
}

std::vector<ValueId> OpenModel::calibrated() const {
  std::vector<ValueId> values;
  for (const Layer& layer : layers()) values.push_back(placement.range_of(layer.input));
  values.insert(values.end(), placement.points().begin(), placement.points().end());
  return values;
}

OpenModel open_model(const JobConfig& job) {
  ImportedModel imported = import_onnx(job.model);
  OpenModel m;
  m.file_digest = imported.sha256;
  m.notes = std::move(imported.notes);
  m.digest = imported.external_sha256.empty() ? imported.sha256
                                              : imported.sha256 + "+" + imported.external_sha256;
  const Target& target = find_target(job.target);
  m.program = std::make_unique<const Program>(
      std::move(imported.graph),
      target.rounds_outputs() ? Program::Epilogues::relu : Program::Epilogues::fused);
  const Program& program = *m.program;
  m.placement = QuantizerPlacement(program, target);
  const auto pinned = job.shapes.find(program.graph().value(program.input()).name);
  m.image_shape = program.image_shape(pinned == job.shapes.end() ? Shape{} : Shape(pinned->second));
  m.image_shape.at(0) = 1;
  m.trace = program.trace(m.image_shape);
  m.batch = !program.batchable() ? 1 : job.batch > 0 ? job.batch : natural_batch(program, m.trace);
  Shape batch_shape = m.image_shape;
  batch_shape[0] = m.batch;
  m.batch_trace = m.batch == 1 ? m.trace : program.trace(batch_shape);
  for (const LayerId layer : ids<LayerId>(program.layers().size()))
    m.layer_macs.push_back(m.trace.macs[program.step_of(layer).index()]);
  return m;
}

}  // namespace qsweep
