#include "sweep/stages/schemes.h"

#include <algorithm>
#include <set>
#include <utility>

#include "src/base/error.h"

namespace qsweep {
namespace {

/// The precision whose ranking orders a family: `rest` itself when it was probed, else one with the
/// same weight format, else the first probed.
std::uint8_t ranking_precision(const Workload& w,
                               std::uint8_t rest,
                               const std::vector<SensitivityRecord>& records) {
  const auto find = [&](auto&& test) {
    return std::ranges::find_if(records, [&](const auto& r) { return test(r.precision); });
  };
  auto found = find([&](std::uint8_t p) { return p == rest; });
  if (found == records.end())
    found = find([&](std::uint8_t p) { return w.precision(p).weight == w.precision(rest).weight; });
  if (found == records.end()) found = records.begin();
  return found == records.end() ? rest : found->precision;
}

/// Layers from most to least sensitive at a family's `rest`. Without `only` runs the ranking is by
/// what keeping each layer gives back; without any, or for layers whose runs failed, in layer
/// order.
std::vector<LayerId> layer_ranking(const Workload& w,
                                   std::uint8_t rest,
                                   const std::vector<SensitivityRecord>& records) {
  const bool has_only =
      std::ranges::any_of(records, [](const auto& r) { return r.mode == SensitivityMode::only; });
  std::vector<SensitivityRecord> used;
  for (const SensitivityRecord& r : records) {
    if ((r.mode == SensitivityMode::only) == has_only) used.push_back(r);
  }
  std::vector<LayerId> ranking = rank_layers(used, ranking_precision(w, rest, used), w.plan.score);
  if (!has_only) std::reverse(ranking.begin(), ranking.end());
  for (const LayerId i : std::set<LayerId>(w.plan.leaders.begin(), w.plan.leaders.end())) {
    if (std::ranges::find(ranking, i) == ranking.end()) ranking.push_back(i);
  }
  return ranking;
}

std::vector<Scheme> planned_schemes(const Workload& w,
                                    const std::vector<SensitivityRecord>& records) {
  const CompiledJob& plan = w.plan;
  std::vector<Scheme> schemes = uniform_schemes(w.layers(), plan.precisions, w.scheme_settings);
  const auto append = [&schemes](std::vector<Scheme> more) {
    std::ranges::move(more, std::back_inserter(schemes));
  };
  for (const TopKFamily& family : plan.families) {
    append(enumerate_family(family, layer_ranking(w, family.rest, records), w.layers(),
                            plan.precisions, w.scheme_settings, plan.leaders));
  }
  if (plan.space)
    append(enumerate_space(*plan.space, w.layers(), plan.precisions, w.scheme_settings));
  for (const CompiledJob::ListedScheme& listed : plan.listed)
    schemes.push_back(w.scheme(listed.name, listed.precision));
  return deduplicate(std::move(schemes));
}

class BaselineStage final : public Stage {
 public:
  BaselineStage(const Workload& workload, Detail detail) : w_(workload), detail_(detail) {}
  [[nodiscard]] StageId id() const override { return StageId::baseline; }

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore& records,
                                           int ranks) const override {
    return missing_evaluations(w_, w_.all, records, schemes(), detail_, ranks);
  }

  void read(const RecordStore& records, Findings& f) const override {
    f.baseline = recorded_results(w_, w_.all, records, schemes(), detail_).front();
    f.probing_baseline = f.base = f.baseline;
    if (f.baseline.state == SchemeResult::State::failed) {
      throw Error(ErrorCode::numeric,
                  "the float model could not be evaluated: " + f.baseline.reason,
                  w_.job.model.string());
    }
    f.stages.push_back(progress_of(id(), {&f.baseline, 1}));
  }

 private:
  [[nodiscard]] std::vector<Scheme> schemes() const { return {w_.uniform(0)}; }

  const Workload& w_;
  Detail detail_;
};

class SweepStage final : public Stage {
 public:
  explicit SweepStage(const Workload& workload) : w_(workload) {}
  [[nodiscard]] StageId id() const override { return StageId::sweep; }

  [[nodiscard]] std::vector<Piece> missing(const Findings& f,
                                           const RecordStore& records,
                                           int ranks) const override {
    std::vector<Scheme> schemes = planned_schemes(w_, sensitivity_records(f));
    if (needs_ranking() && !f.is_ranked) {
      // A plan of a run to come: the ranking is not known, but the schemes are as many, and those
      // that are single-layer runs too will be there by then.
      std::set<std::string> known;
      for (const SensitivityCase& c : f.cases) known.insert(c.scheme.id);
      std::erase_if(schemes, [&](const Scheme& s) { return known.contains(s.id); });
    }
    return missing_evaluations(w_, w_.all, records, schemes, Detail::none, ranks);
  }

  void read(const RecordStore& records, Findings& f) const override {
    f.schemes = planned_schemes(w_, sensitivity_records(f));
    f.scheme_results = recorded_results(w_, w_.all, records, f.schemes);
    f.stages.push_back(progress_of(id(), f.scheme_results));
  }

 private:
  [[nodiscard]] bool needs_ranking() const { return !w_.plan.probed.empty(); }

  const Workload& w_;
};

class ListedStage final : public Stage {
 public:
  explicit ListedStage(const Workload& workload) : w_(workload) {}
  [[nodiscard]] StageId id() const override { return StageId::sweep; }

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore& records,
                                           int ranks) const override {
    return missing_evaluations(w_, w_.all, records, schemes(), Detail::predictions, ranks);
  }

  void read(const RecordStore& records, Findings& f) const override {
    f.schemes = schemes();
    f.scheme_results = recorded_results(w_, w_.all, records, f.schemes, Detail::predictions);
    f.stages.push_back(progress_of(id(), f.scheme_results));
  }

 private:
  [[nodiscard]] std::vector<Scheme> schemes() const {
    const CompiledJob::ListedScheme& listed = w_.plan.listed.front();
    return {w_.scheme(listed.name, listed.precision)};
  }

  const Workload& w_;
};

}  // namespace

std::unique_ptr<const Stage> make_baseline_stage(const Workload& workload, Detail detail) {
  return std::make_unique<BaselineStage>(workload, detail);
}

std::unique_ptr<const Stage> make_sweep_stage(const Workload& workload) {
  return std::make_unique<SweepStage>(workload);
}

std::unique_ptr<const Stage> make_listed_stage(const Workload& workload) {
  return std::make_unique<ListedStage>(workload);
}

Assignment reference_assignment(const Workload& w) {
  std::uint8_t p = w.plan.precisions.all().size() > 1 ? 1 : 0;
  if (!w.plan.families.empty()) {
    p = w.plan.families.front().rest;
  } else if (!w.plan.probed.empty()) {
    p = w.plan.probed.front();
  }
  return Assignment(w.layers().size(), p);
}

}  // namespace qsweep
