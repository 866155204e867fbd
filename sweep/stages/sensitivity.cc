#include "sweep/stages/sensitivity.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"

#include "sweep/stages/evaluate_schemes.h"

namespace qsweep {
namespace {

/// `layer` and those it leads at `own`, all others at `rest`.
Assignment single_layer(const std::vector<LayerId>& leaders,
                        LayerId layer,
                        std::uint8_t own,
                        std::uint8_t rest) {
  Assignment a(leaders.size(), rest);
  for (std::size_t i = 0; i < leaders.size(); ++i) {
    if (leaders[i] == layer) a[i] = own;
  }
  return a;
}

std::vector<SensitivityCase> cases_of(const Workload& w) {
  const CompiledJob& plan = w.plan;
  const std::string on = plan.base == 0 ? "" : " on " + w.precision(plan.base).name;
  std::vector<SensitivityCase> cases;
  for (const SensitivityMode mode : plan.modes) {
    const bool only = mode == SensitivityMode::only;
    for (const std::uint8_t p : plan.probed) {
      for (const LayerId i : ids<LayerId>(w.layers().size())) {
        if (plan.leaders[i.index()] != i) continue;
        std::string label = fmt::format("{} {} {}{}", only ? "only" : "all but",
                                        w.layers()[i.index()].name, w.precision(p).name, on);
        Assignment assignment = only ? single_layer(plan.leaders, i, p, plan.base)
                                     : single_layer(plan.leaders, i, plan.base, p);
        // Only a layer quantized alone is looked at from within: errors behind others are not its
        // own.
        cases.push_back({.layer = i,
                         .precision = p,
                         .mode = mode,
                         .scheme = w.scheme(std::move(label), std::move(assignment)),
                         .is_probed = only && plan.base == 0});
      }
    }
  }
  return cases;
}

class SensitivityStage final : public Stage {
 public:
  explicit SensitivityStage(const Workload& workload) : w_(workload), cases_(cases_of(workload)) {}
  [[nodiscard]] StageId id() const override { return StageId::sensitivity; }

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore& records,
                                           int ranks) const override {
    std::vector<Piece> pieces;
    for (const Detail detail : {Detail::probes, Detail::none}) {
      for (Piece& piece :
           missing_evaluations(w_, w_.probing, records, schemes(detail), detail, ranks))
        pieces.push_back(std::move(piece));
    }
    return pieces;
  }

  void read(const RecordStore& records, Findings& f) const override {
    f.cases = cases_;
    std::vector<Scheme> schemes;
    for (const SensitivityCase& c : cases_) schemes.push_back(c.scheme);
    f.case_results = recorded_results(w_, w_.probing, records, schemes);
    f.probing_baseline = on_probing_images(records, 0);
    f.base = w_.plan.base == 0 ? f.probing_baseline : on_probing_images(records, w_.plan.base);
    if (f.base.state == SchemeResult::State::failed) {
      throw Error(ErrorCode::numeric,
                  fmt::format("the sensitivity base, {} on every layer, could not be evaluated: {}",
                              w_.precision(w_.plan.base).name, f.base.reason),
                  w_.job.model.string());
    }
    f.stages.push_back(progress_of(id(), f.case_results));
    f.is_ranked = f.base.is_ok() && f.probing_baseline.is_ok() &&
                  std::ranges::none_of(f.case_results, [](const SchemeResult& r) {
                    return r.state == SchemeResult::State::missing;
                  });
  }

 private:
  [[nodiscard]] SchemeResult on_probing_images(const RecordStore& records,
                                               std::uint8_t precision) const {
    return recorded_results(w_, w_.probing, records, std::vector{w_.uniform(precision)}).front();
  }

  /// What is evaluated with a detail. The float model is known, but not on fewer images.
  [[nodiscard]] std::vector<Scheme> schemes(Detail detail) const {
    std::vector<Scheme> schemes;
    if (detail == Detail::none) {
      if (w_.probing.images < w_.all.images) schemes.push_back(w_.uniform(0));
      if (w_.plan.base != 0) schemes.push_back(w_.uniform(w_.plan.base));
    }
    for (const SensitivityCase& c : cases_) {
      if (c.is_probed == (detail == Detail::probes)) schemes.push_back(c.scheme);
    }
    return schemes;
  }

  const Workload& w_;
  std::vector<SensitivityCase> cases_;
};

}  // namespace

std::unique_ptr<const Stage> make_sensitivity_stage(const Workload& workload) {
  return std::make_unique<SensitivityStage>(workload);
}

}  // namespace qsweep
