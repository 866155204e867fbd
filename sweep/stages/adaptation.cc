#include "sweep/stages/adaptation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"

#include "sweep/work/handler.h"
#include "sweep/work/tasks.h"

namespace qsweep {
namespace {

/// Images of a task that gathers inputs.
constexpr std::int64_t kChunkImages = 64;

struct Adapted {
  LayerId layer;
  std::uint8_t precision;
};

std::string key_of(const Workload& w, const Adapted& target) {
  return fmt::format("{}/{}", target.layer.value(), w.precision(target.precision).name);
}

std::vector<Adapted> all_adapted(const Workload& w) {
  std::vector<Adapted> targets;
  for (const LayerId layer : ids<LayerId>(w.layers().size())) {
    for (std::size_t p = 0; p < w.plan.precisions.all().size(); ++p) {
      const auto precision = static_cast<std::uint8_t>(p);
      if (w.plan.is_adapted(w.layers()[layer.index()], w.precision(precision)))
        targets.push_back({layer, precision});
    }
  }
  return targets;
}

std::vector<Adapted> missing_adapted(const Workload& w, const RecordStore& records) {
  std::vector<Adapted> missing = all_adapted(w);
  std::erase_if(missing, [&](const Adapted& t) {
    return records.find(RecordKind::adaptation, key_of(w, t)) != nullptr;
  });
  return missing;
}

std::vector<Range> chunks_of(const Workload& w) {
  return cut(w.calibration.size(), kChunkImages);
}

std::string chunk_key(Range images) {
  return fmt::format("inputs/{}-{}", images.begin, images.end);
}

/// By layer, over all chunks; empty while one is missing.
std::vector<LayerInputs> recorded_inputs(const Workload& w, const RecordStore& records) {
  std::vector<LayerInputs> all(w.layers().size());
  for (const Range& images : chunks_of(w)) {
    const Bytes* record = records.find(RecordKind::inputs, chunk_key(images));
    if (record == nullptr) return {};
    const std::vector<LayerInputs> part = decode_inputs(*record, chunk_key(images));
    for (std::size_t i = 0; i < all.size(); ++i) all[i].append(part.at(i));
  }
  return all;
}

class InputsStage final : public Stage {
 public:
  explicit InputsStage(const Workload& workload) : w_(workload) {}
  [[nodiscard]] StageId id() const override { return StageId::inputs; }

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore& records,
                                           int) const override {
    std::vector<Piece> pieces;
    if (missing_adapted(w_, records).empty()) return pieces;
    for (const Range& images : chunks_of(w_)) {
      std::string key = chunk_key(images);
      if (records.find(RecordKind::inputs, key)) continue;
      const double work = static_cast<double>(images.size()) * w_.model.image_work();
      Task task{
          .payload = CalibrateTask{.pass = CalibrationPass::inputs, .images = images}.encode(),
          .cost = work};
      pieces.push_back({.key = key,
                        .task = std::move(task),
                        .keep =
                            [key, work](const Bytes& result, RecordStore& store) {
                              store.put(RecordKind::inputs, key, result);
                              return WorkDone{work, work};
                            },
                        .fail = [](const std::string& error, RecordStore&) -> std::vector<Piece> {
                          throw Error(ErrorCode::numeric,
                                      "gathering layer inputs failed: " + error);
                        }});
    }
    return pieces;
  }

  void read(const RecordStore&, Findings&) const override {}

 private:
  const Workload& w_;
};

class AdaptationStage final : public Stage {
 public:
  explicit AdaptationStage(const Workload& workload) : w_(workload) {}
  [[nodiscard]] StageId id() const override { return StageId::adaptation; }

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore& records,
                                           int) const override {
    std::vector<Piece> pieces;
    const std::vector<Adapted> targets = missing_adapted(w_, records);
    if (targets.empty()) return pieces;
    // A plan has no inputs yet: its tasks are counted, not run.
    const std::vector<LayerInputs> inputs = recorded_inputs(w_, records);
    for (const Adapted& t : targets) {
      AdaptTask task{.layer = t.layer, .precision = t.precision, .inputs = {}};
      if (!inputs.empty()) task.inputs = inputs.at(t.layer.index());
      const double work = static_cast<double>(w_.model.program->weight(t.layer).size() *
                                              std::max<std::int64_t>(task.inputs.sample.rows(), 1));
      const std::string key = key_of(w_, t);
      pieces.push_back({.key = key,
                        .task = {.payload = task.encode(), .cost = work},
                        .keep =
                            [key, work](const Bytes& result, RecordStore& store) {
                              store.put(RecordKind::adaptation, key, result);
                              return WorkDone{work, work};
                            },
                        .fail = [name = w_.layers()[t.layer.index()].name](
                                    const std::string& error, RecordStore&) -> std::vector<Piece> {
                          throw Error(ErrorCode::numeric, "adapting the weights failed: " + error,
                                      name);
                        }});
    }
    return pieces;
  }

  void read(const RecordStore& records, Findings& findings) const override {
    StageProgress progress{.name = std::string(name_of(id()))};
    findings.adaptations.assign(w_.layers().size(),
                                std::vector<Adaptation>(w_.plan.precisions.all().size()));
    for (const Adapted& t : all_adapted(w_)) {
      ++progress.planned;
      const std::string key = key_of(w_, t);
      const Bytes* record = records.find(RecordKind::adaptation, key);
      if (record == nullptr) continue;
      ++progress.done;
      findings.adaptations[t.layer.index()][t.precision] =
          decode_adaptation(*record, "adaptation record " + key);
    }
    findings.stages.push_back(std::move(progress));
  }

  [[nodiscard]] std::optional<Bytes> state(const Findings& findings) const override {
    return JobHandler::adaptations_message(findings.adaptations);
  }

  void conclude(const Findings&, RecordStore& records) const override {
    records.drop(RecordKind::inputs);
  }

 private:
  const Workload& w_;
};

}  // namespace

std::unique_ptr<const Stage> make_inputs_stage(const Workload& workload) {
  return std::make_unique<InputsStage>(workload);
}

std::unique_ptr<const Stage> make_adaptation_stage(const Workload& workload) {
  return std::make_unique<AdaptationStage>(workload);
}

std::vector<std::int64_t> input_factors(const Adaptations& adaptations, LayerId layer) {
  std::vector<std::int64_t> counts;
  if (adaptations.empty()) return counts;
  for (const Adaptation& a : adaptations.at(layer.index())) counts.push_back(std::ssize(a.scale));
  return counts;
}

void check_adapted(const Workload& w, const RecordStore& records, const Assignment& assignment) {
  for (const Adapted& t : missing_adapted(w, records)) {
    if (assignment.at(t.layer.index()) != t.precision) continue;
    throw Error(ErrorCode::config,
                fmt::format("the run has not adapted weights to {} ({})",
                            w.precision(t.precision).name, name_of(w.plan.weights.algorithm)),
                w.layers()[t.layer.index()].name,
                "Use a scheme of the run, or export from the model");
  }
}

}  // namespace qsweep
