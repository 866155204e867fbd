#include "sweep/stages/stage.h"

#include <utility>

#include "sweep/stages/activations.h"
#include "sweep/stages/adaptation.h"
#include "sweep/stages/calibration.h"
#include "sweep/stages/latency.h"
#include "sweep/stages/schemes.h"
#include "sweep/stages/sensitivity.h"

namespace qsweep {

std::string_view name_of(StageId id) {
  switch (id) {
    case StageId::ranges:
      return "calibrate ranges";
    case StageId::histograms:
      return "calibrate histograms";
    case StageId::inputs:
      return "layer inputs";
    case StageId::adaptation:
      return "adapt weights";
    case StageId::baseline:
      return "baseline";
    case StageId::sensitivity:
      return "sensitivity";
    case StageId::sweep:
      return "sweep";
    case StageId::latency:
      return "latency";
    case StageId::activations:
      return "activations";
  }
  return "";
}

void Stage::check() const {}

void Stage::prepare(const Findings&, RecordStore&, Progress&) const {}

std::optional<Bytes> Stage::state(const Findings&) const {
  return std::nullopt;
}

void Stage::conclude(const Findings&, RecordStore&) const {}

Stages calibration_stages(const Workload& w) {
  Stages stages;
  stages.push_back(make_ranges_stage(w));
  stages.push_back(make_histograms_stage(w));
  return stages;
}

namespace {

/// What comes before any evaluation.
Stages preparing_stages(const Workload& w) {
  Stages stages;
  if (w.plan.needs_calibration()) stages = calibration_stages(w);
  if (w.plan.needs_inputs()) {
    stages.push_back(make_inputs_stage(w));
    stages.push_back(make_adaptation_stage(w));
  }
  return stages;
}

}  // namespace

Stages stages_of(const Workload& w, const StageOptions& options, StageId last) {
  Stages stages = preparing_stages(w);
  stages.push_back(make_baseline_stage(w, Detail::none));
  if (!w.plan.probed.empty()) stages.push_back(make_sensitivity_stage(w));
  stages.push_back(make_sweep_stage(w));
  stages.push_back(make_latency_stage(w));
  if (!options.activations.empty() && w.job.activations.images > 0)
    stages.push_back(make_activations_stage(w, options.activations));
  std::erase_if(stages, [last](const auto& stage) { return stage->id() > last; });
  return stages;
}

Stages single_stages(const Workload& w) {
  Stages stages = preparing_stages(w);
  stages.push_back(make_baseline_stage(w, Detail::predictions));
  if (!w.plan.listed.empty()) stages.push_back(make_listed_stage(w));
  return stages;
}

void check_stages(const Stages& stages) {
  for (const auto& stage : stages) stage->check();
}

Findings read_stages(const Stages& stages, const RecordStore& records) {
  Findings findings;
  for (const auto& stage : stages) stage->read(records, findings);
  return findings;
}

}  // namespace qsweep
