#include "sweep/run/adaptation.h"

#include <algorithm>

#include <fmt/format.h>

#include "sweep/run/layer_inputs.h"

namespace qsweep {
namespace {

/// Images of a task that gathers inputs.
constexpr std::int64_t kChunkImages = 64;

std::string key_of(const Workload& w, int layer, int precision) {
  return fmt::format("{}/{}", layer, w.precisions.at(static_cast<std::uint8_t>(precision)).name);
}

template <class Visit>
void for_each_adapted(const Workload& w, const Visit& visit) {
  for (int layer = 0; layer < static_cast<int>(w.program->layers().size()); ++layer) {
    for (int p = 0; p < static_cast<int>(w.precisions.all().size()); ++p) {
      if (is_adapted(w, layer, w.precisions.at(static_cast<std::uint8_t>(p)))) visit(layer, p);
    }
  }
}

std::vector<LayerInputs> gather_all(Crew& crew) {
  const Workload& w = crew.workload();
  std::vector<Crew::Piece> pieces;
  for (const Range& r : cut(static_cast<std::int64_t>(w.calibration_ids.size()), kChunkImages)) {
    const CalibrateTask task{.pass = CalibrationPass::inputs, .begin = r.begin, .end = r.end};
    pieces.push_back({fmt::format("inputs/{}-{}", r.begin, r.end),
                      {task.encode(), static_cast<double>(r.end - r.begin)}});
  }
  std::vector<std::vector<LayerInputs>> parts(pieces.size());
  crew.run_tasks(
      "layer inputs", pieces,
      [&](std::size_t i, const Bytes& result) {
        ByteReader in(result, pieces[i].key);
        parts[i] = decode_inputs(in);
        in.finish();
      },
      [&](std::size_t, const std::string& error) {
        throw Error(ErrorCode::numeric, "gathering layer inputs failed: " + error);
      });
  std::vector<LayerInputs> all(w.program->layers().size());
  for (std::vector<LayerInputs>& part : parts) {
    for (std::size_t i = 0; i < all.size(); ++i) all[i].append(part.at(i));
    part.clear();
  }
  return all;
}

}  // namespace

void adapt_layers(Crew& crew) {
  const Workload& w = crew.workload();
  struct Missing {
    int layer, precision;
  };
  std::vector<Missing> missing;
  for_each_adapted(w, [&](int layer, int p) {
    if (!crew.records().find(RecordKind::adaptation, key_of(w, layer, p)))
      missing.push_back({layer, p});
  });
  if (!missing.empty()) {
    const std::vector<LayerInputs> inputs = gather_all(crew);
    std::vector<Crew::Piece> pieces;
    for (const Missing& m : missing) {
      const LayerInputs& of_layer = inputs.at(static_cast<std::size_t>(m.layer));
      const AdaptTask task{m.layer, static_cast<std::uint8_t>(m.precision), of_layer};
      const Tensor& weight = w.program->weight(m.layer);
      pieces.push_back(
          {key_of(w, m.layer, m.precision),
           {task.encode(), static_cast<double>(weight.size() * of_layer.sample.rows())}});
    }
    crew.run_tasks(
        "adapt weights", pieces,
        [&](std::size_t i, const Bytes& result) {
          crew.records().put(RecordKind::adaptation, pieces[i].key, result);
        },
        [&](std::size_t i, const std::string& error) {
          throw Error(ErrorCode::numeric, "adapting the weights failed: " + error,
                      w.program->layers()[static_cast<std::size_t>(missing[i].layer)].name);
        });
  }
  crew.set_adaptations(recorded_adaptations(w, crew.records()));
}

Adaptations recorded_adaptations(const Workload& w, const RecordStore& records) {
  if (!needs_inputs(w)) return {};
  Adaptations all(w.program->layers().size(), std::vector<Adaptation>(w.precisions.all().size()));
  for_each_adapted(w, [&](int layer, int p) {
    const Bytes* record = records.find(RecordKind::adaptation, key_of(w, layer, p));
    if (!record) return;
    ByteReader in(*record, "adaptation record " + key_of(w, layer, p));
    all[static_cast<std::size_t>(layer)][static_cast<std::size_t>(p)] = Adaptation::read(in);
    in.finish();
  });
  return all;
}

std::vector<std::int64_t> input_factors(const Adaptations& adaptations, int layer) {
  std::vector<std::int64_t> counts;
  if (adaptations.empty()) return counts;
  for (const Adaptation& a : adaptations.at(static_cast<std::size_t>(layer)))
    counts.push_back(std::ssize(a.scale));
  return counts;
}

void check_adapted(const Workload& w, const RecordStore& records, const Assignment& assignment) {
  for_each_adapted(w, [&](int layer, int p) {
    const bool used = assignment.at(static_cast<std::size_t>(layer)) == p;
    if (!used || records.find(RecordKind::adaptation, key_of(w, layer, p))) return;
    throw Error(ErrorCode::config,
                fmt::format("the run has not adapted weights to {} ({})",
                            w.precisions.at(static_cast<std::uint8_t>(p)).name,
                            name_of(w.weights.algorithm)),
                w.program->layers()[static_cast<std::size_t>(layer)].name,
                "Use a scheme of the run, or export from the model");
  });
}

}  // namespace qsweep
