#include "sweep/stages/evaluate_schemes.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"

#include "sweep/plan/tasks.h"
#include "sweep/work/tasks.h"

namespace qsweep {
namespace {

/// Schemes of a stage, kept alive by its pieces.
using SharedSchemes = std::shared_ptr<const std::vector<Scheme>>;

/// A shard that a smaller scope cuts short is another one than the whole.
std::string record_key(const Scheme& scheme,
                       const EvaluationScope& scope,
                       std::int64_t all_images,
                       ShardId shard,
                       bool probe) {
  const Range images = scope.shard(shard);
  const bool is_cut =
      images.end == scope.images && scope.images < all_images && images.size() < scope.shard_images;
  return fmt::format("{}/{}{}{}", scheme.id, shard.value(),
                     is_cut ? fmt::format(":{}", images.size()) : std::string(),
                     probe ? "/probe" : "");
}

/// Finds the records of schemes on a scope.
class Evaluations {
 public:
  Evaluations(const Workload& workload, const EvaluationScope& scope, const RecordStore& records)
      : all_images_(workload.all.images), scope_(scope), records_(records) {}

  [[nodiscard]] std::string key(const Scheme& scheme, ShardId shard, bool probe) const {
    return record_key(scheme, scope_, all_images_, shard, probe);
  }
  /// A probed record holds all that an unprobed one does.
  [[nodiscard]] const Bytes* find(const Scheme& scheme, ShardId shard, bool probe) const {
    const Bytes* found = records_.find(RecordKind::evaluation, key(scheme, shard, true));
    if (!found && !probe) found = records_.find(RecordKind::evaluation, key(scheme, shard, false));
    return found;
  }
  [[nodiscard]] const Bytes* failure(const Scheme& scheme, ShardId shard) const {
    return records_.find(RecordKind::failure, key(scheme, shard, false));
  }

 private:
  std::int64_t all_images_;
  const EvaluationScope& scope_;
  const RecordStore& records_;
};

/// Work of the steps from a layer's on: what a scheme adds to its neighbour in the trie that
/// differs there.
std::vector<double> work_from_layer(const OpenModel& m) {
  std::vector<double> suffix(m.trace.work.size() + 1, 0.0);
  for (std::size_t s = m.trace.work.size(); s-- > 0;) suffix[s] = suffix[s + 1] + m.trace.work[s];
  std::vector<double> from;
  for (const LayerId layer : ids<LayerId>(m.layers().size()))
    from.push_back(suffix.at(m.program->step_of(layer).index()));
  return from;
}

/// Where the schemes, in trie order, part from the one before: the work that each adds to it.
std::vector<double> added_work(const OpenModel& m,
                               std::span<const Scheme> schemes,
                               const std::vector<std::size_t>& order) {
  const std::vector<double> from = work_from_layer(m);
  std::vector<double> work;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0) {
      work.push_back(m.image_work());
      continue;
    }
    const Assignment& before = schemes[order[i - 1]].precision;
    const Assignment& now = schemes[order[i]].precision;
    const auto [a, b] = std::ranges::mismatch(before, now);
    work.push_back(a == before.end() ? 0.0 : from[static_cast<std::size_t>(a - before.begin())]);
  }
  return work;
}

std::vector<ShardTask> plan(const Workload& w,
                            const EvaluationScope& scope,
                            const RecordStore& records,
                            std::span<const Scheme> schemes,
                            Detail detail,
                            int ranks) {
  std::vector<std::size_t> order(schemes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return schemes[a].precision < schemes[b].precision;
  });
  const std::vector<double> added = added_work(w.model, schemes, order);
  const Evaluations known(w, scope, records);
  std::vector<ShardWork> shards;
  for (const ShardId shard : scope.shards()) {
    const auto images = static_cast<double>(scope.shard(shard).size());
    ShardWork& s =
        shards.emplace_back(ShardWork{.shard = shard, .start = w.model.image_work() * images});
    double skipped = 0.0;  // of recorded schemes since the last planned one
    for (std::size_t at = 0; at < order.size(); ++at) {
      skipped = std::max(added[at] * images, skipped);
      if (known.find(schemes[order[at]], shard, detail == Detail::probes)) continue;
      s.schemes.push_back(order[at]);
      s.added.push_back(static_cast<float>(std::exchange(skipped, 0.0)));
    }
  }
  return cut_tasks(shards, ranks);
}

/// Turns planned shard tasks into pieces.
class PieceMaker {
 public:
  PieceMaker(const Workload& workload,
             const EvaluationScope& scope,
             SharedSchemes schemes,
             Detail detail)
      : w_(workload), scope_(scope), schemes_(std::move(schemes)), detail_(detail) {}

  [[nodiscard]] Piece piece(const ShardTask& planned) const {
    EvaluateTask task{.images = scope_.shard(planned.shard),
                      .probe = detail_ == Detail::probes,
                      .detail = detail_ == Detail::predictions,
                      .schemes = {}};
    for (std::size_t i : planned.schemes) task.schemes.push_back(schemes_->at(i).precision);
    std::string key = fmt::format("{} schemes from {} on shard {}", planned.schemes.size(),
                                  schemes_->at(planned.schemes.front()).id, planned.shard.value());
    // The float model's outputs on a shard are kept by the rank that has computed them.
    return {
        .key = key,
        .task = {.payload = task.encode(), .cost = planned.work, .group = planned.shard.value()},
        .keep =
            [maker = *this, planned, key](const Bytes& result, RecordStore& records) {
              return maker.keep(planned, EvaluateResult::decode(result, "result of " + key),
                                records);
            },
        .fail = [maker = *this, planned](const std::string& error, RecordStore& records)
            -> std::vector<Piece> { return maker.fail(planned, error, records); }};
  }

 private:
  [[nodiscard]] std::string key(std::size_t scheme, ShardId shard, bool probe) const {
    return record_key(schemes_->at(scheme), scope_, w_.all.images, shard, probe);
  }

  WorkDone keep(const ShardTask& planned, EvaluateResult result, RecordStore& records) const {
    if (result.records.size() != planned.schemes.size())
      throw Error(ErrorCode::corrupt_input, "a result has another number of schemes than its task");
    for (std::size_t i = 0; i < planned.schemes.size(); ++i) {
      records.put(RecordKind::evaluation,
                  key(planned.schemes[i], planned.shard, detail_ == Detail::probes),
                  std::move(result.records[i]));
    }
    return {result.work, result.work_without_reuse};
  }

  std::vector<Piece> fail(const ShardTask& planned,
                          const std::string& error,
                          RecordStore& records) const {
    // Images that cannot be read any more are no scheme's fault, and end the run.
    (void)w_.evaluation.images(scope_.shard(planned.shard));
    std::vector<Piece> alone;
    if (planned.schemes.size() == 1) {
      records.put(RecordKind::failure, key(planned.schemes.front(), planned.shard, false),
                  encode_failure(error));
      return alone;
    }
    const double work = planned.work / static_cast<double>(planned.schemes.size());
    for (const std::size_t i : planned.schemes) alone.push_back(piece({planned.shard, {i}, work}));
    return alone;
  }

  const Workload& w_;
  const EvaluationScope& scope_;
  SharedSchemes schemes_;
  Detail detail_;
};

/// Adds a shard; divergences stay summed until the last.
void append(SchemeResult& all, ShardResult&& part) {
  all.mean_kl += part.kl_sum;
  all.output_error.merge(part.output_error);
  all.nonfinite = all.nonfinite || part.nonfinite;
  all.seconds += part.seconds;
  if (all.probes.empty()) {
    all.probes = std::move(part.probes);
    return;
  }
  for (std::size_t i = 0; i < part.probes.size(); ++i) {
    all.probes.at(i).output.merge(part.probes[i].output);
    all.probes.at(i).input.merge(part.probes[i].input);
  }
}

SchemeResult recorded_result(const Evaluations& known,
                             const EvaluationScope& scope,
                             const Scheme& scheme,
                             Detail detail) {
  SchemeResult all;
  Bytes outcomes;
  for (const ShardId shard : scope.shards()) {
    const Bytes* found = known.find(scheme, shard, false);
    if (found == nullptr) {
      const Bytes* failure = known.failure(scheme, shard);
      if (failure == nullptr) return {};
      SchemeResult failed;
      failed.state = SchemeResult::State::failed;
      failed.reason = decode_failure(*failure, "failure record " + scheme.id);
      return failed;
    }
    ShardResult part =
        decode_shard_result(*found, "evaluation record " + known.key(scheme, shard, false));
    outcomes.insert(outcomes.end(), part.outcomes.begin(), part.outcomes.end());
    append(all, std::move(part));
  }
  all.state = SchemeResult::State::ok;
  all.verdict = scope.scorer->judge(outcomes, detail == Detail::predictions);
  all.mean_kl /= static_cast<double>(scope.images);
  return all;
}

}  // namespace

std::vector<Piece> missing_evaluations(const Workload& workload,
                                       const EvaluationScope& scope,
                                       const RecordStore& records,
                                       std::span<const Scheme> schemes,
                                       Detail detail,
                                       int ranks) {
  std::vector<Piece> pieces;
  if (schemes.empty()) return pieces;
  const PieceMaker maker(workload, scope,
                         std::make_shared<std::vector<Scheme>>(schemes.begin(), schemes.end()),
                         detail);
  for (const ShardTask& planned : plan(workload, scope, records, schemes, detail, ranks))
    pieces.push_back(maker.piece(planned));
  return pieces;
}

std::vector<SchemeResult> recorded_results(const Workload& workload,
                                           const EvaluationScope& scope,
                                           const RecordStore& records,
                                           std::span<const Scheme> schemes,
                                           Detail detail) {
  const Evaluations known(workload, scope, records);
  std::vector<SchemeResult> results;
  for (const Scheme& scheme : schemes)
    results.push_back(recorded_result(known, scope, scheme, detail));
  return results;
}

StageProgress progress_of(StageId stage, std::span<const SchemeResult> results) {
  return {.name = std::string(name_of(stage)),
          .planned = std::ssize(results),
          .done = std::ranges::count_if(results, [](const SchemeResult& r) {
            return r.state != SchemeResult::State::missing;
          })};
}

}  // namespace qsweep
