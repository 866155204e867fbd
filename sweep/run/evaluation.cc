#include "sweep/run/evaluation.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "sweep/plan/tasks.h"

namespace qsweep {
namespace {

std::string record_key(const Scheme& scheme, std::int64_t shard, bool probe) {
  return fmt::format("{}/{}{}", scheme.id, shard, probe ? "/probe" : "");
}

/// A probed record holds all that an unprobed one does.
const Bytes* find_record(const RecordStore& records,
                         const Scheme& scheme,
                         std::int64_t shard,
                         bool probe) {
  const Bytes* found = records.find(RecordKind::evaluation, record_key(scheme, shard, true));
  if (!found && !probe)
    found = records.find(RecordKind::evaluation, record_key(scheme, shard, false));
  return found;
}

/// Work of the steps from a layer's on: what a scheme adds to its neighbour in the trie that
/// differs there.
std::vector<double> work_from_layer(const Workload& w) {
  std::vector<double> suffix(w.trace.work.size() + 1, 0.0);
  for (std::size_t s = w.trace.work.size(); s-- > 0;) suffix[s] = suffix[s + 1] + w.trace.work[s];
  std::vector<double> from;
  for (int step : w.layer_step) from.push_back(suffix.at(static_cast<std::size_t>(step)));
  return from;
}

/// Where the schemes, in trie order, part from the one before: the work that each adds to it.
std::vector<double> added_work(const Workload& w,
                               std::span<const Scheme> schemes,
                               const std::vector<std::size_t>& order,
                               double whole) {
  const std::vector<double> from = work_from_layer(w);
  std::vector<double> work;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0) {
      work.push_back(whole);
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
                            const RecordStore& records,
                            std::span<const Scheme> schemes,
                            Detail detail,
                            int ranks) {
  std::vector<std::size_t> order(schemes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return schemes[a].precision < schemes[b].precision;
  });
  const double whole = std::accumulate(w.trace.work.begin(), w.trace.work.end(), 0.0);
  const std::vector<double> added = added_work(w, schemes, order, whole);
  std::vector<ShardWork> shards;
  for (std::int64_t shard = 0; shard < w.shards(); ++shard) {
    const auto images = static_cast<double>(w.shard_ids(shard).size());
    ShardWork& s = shards.emplace_back(ShardWork{.shard = shard, .start = whole * images});
    double skipped = 0.0;  // of recorded schemes since the last planned one
    for (std::size_t at = 0; at < order.size(); ++at) {
      skipped = std::max(added[at] * images, skipped);
      if (find_record(records, schemes[order[at]], shard, detail == Detail::probes)) continue;
      s.schemes.push_back(order[at]);
      s.added.push_back(static_cast<float>(std::exchange(skipped, 0.0)));
    }
  }
  return cut_tasks(shards, ranks);
}

Crew::Piece piece(std::span<const Scheme> schemes, const ShardTask& planned, Detail detail) {
  EvaluateTask task{.shard = planned.shard,
                    .probe = detail == Detail::probes,
                    .detail = detail == Detail::predictions,
                    .schemes = {}};
  for (std::size_t i : planned.schemes) task.schemes.push_back(schemes[i].precision);
  std::string key = fmt::format("{} schemes from {} on shard {}", planned.schemes.size(),
                                schemes[planned.schemes.front()].id, planned.shard);
  // The float model's outputs on a shard are kept by the rank that has computed them.
  return {std::move(key), {task.encode(), planned.work, planned.shard}};
}

void run_planned(Crew& crew,
                 const std::string& stage,
                 std::span<const Scheme> schemes,
                 Detail detail,
                 const std::vector<ShardTask>& planned,
                 const std::function<void(const ShardTask&, const std::string&)>& failed) {
  std::vector<Crew::Piece> pieces;
  for (const ShardTask& p : planned) pieces.push_back(piece(schemes, p, detail));
  crew.run_tasks(
      stage, pieces,
      [&](std::size_t t, const Bytes& result) {
        ByteReader in(result, "result of " + pieces[t].key);
        const double work = in.f64();
        crew.note_work(work, in.f64());
        for (std::size_t i : planned[t].schemes) {
          const ByteView one = in.blob();
          crew.records().put(RecordKind::evaluation,
                             record_key(schemes[i], planned[t].shard, detail == Detail::probes),
                             Bytes(one.begin(), one.end()));
        }
        in.finish();
      },
      [&](std::size_t t, const std::string& error) { failed(planned[t], error); });
}

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

}  // namespace

Scheme uniform_scheme(const Workload& w, std::uint8_t precision) {
  const auto& layers = w.program->layers();
  return make_scheme(w.precisions.at(precision).name, Assignment(layers.size(), precision), layers,
                     w.precisions, w.settings);
}

std::vector<Crew::Piece> evaluation_tasks(const Workload& workload,
                                          const RecordStore& records,
                                          std::span<const Scheme> schemes,
                                          Detail detail,
                                          int ranks) {
  std::vector<Crew::Piece> pieces;
  for (const ShardTask& p : plan(workload, records, schemes, detail, ranks))
    pieces.push_back(piece(schemes, p, detail));
  return pieces;
}

std::vector<SchemeResult> evaluate_schemes(Crew& crew,
                                           const std::string& stage,
                                           std::span<const Scheme> schemes,
                                           Detail detail) {
  const Workload& w = crew.workload();
  // A task of several schemes that fails is taken apart, so that only the scheme at fault is lost.
  std::vector<ShardTask> alone;
  run_planned(crew, stage, schemes, detail,
              plan(w, crew.records(), schemes, detail, crew.ledger().ranks),
              [&](const ShardTask& p, const std::string&) {
                for (std::size_t i : p.schemes)
                  alone.push_back({p.shard, {i}, p.work / static_cast<double>(p.schemes.size())});
              });
  if (!alone.empty()) {
    run_planned(crew, stage + ", failed tasks one by one", schemes, detail, alone,
                [&](const ShardTask& p, const std::string& error) {
                  const ByteView text = as_bytes(error);
                  crew.records().put(RecordKind::failure,
                                     record_key(schemes[p.schemes.front()], p.shard, false),
                                     Bytes(text.begin(), text.end()));
                });
  }
  return recorded_results(w, crew.records(), schemes, detail);
}

std::vector<SchemeResult> recorded_results(const Workload& workload,
                                           const RecordStore& records,
                                           std::span<const Scheme> schemes,
                                           Detail detail) {
  std::vector<SchemeResult> results;
  for (const Scheme& scheme : schemes) {
    SchemeResult all;
    all.ok = true;
    Bytes outcomes;
    for (std::int64_t shard = 0; shard < workload.shards() && all.ok; ++shard) {
      if (const Bytes* found = find_record(records, scheme, shard, false)) {
        ByteReader in(*found, "evaluation record " + record_key(scheme, shard, false));
        ShardResult part = ShardResult::read(in);
        in.finish();
        outcomes.insert(outcomes.end(), part.outcomes.begin(), part.outcomes.end());
        append(all, std::move(part));
      } else {
        const Bytes* reason = records.find(RecordKind::failure, record_key(scheme, shard, false));
        all = {};
        all.reason = reason ? std::string(as_text(*reason)) : "not evaluated";
      }
    }
    if (all.ok) {
      all.verdict = workload.task->judge(outcomes, detail == Detail::predictions);
      all.mean_kl /= static_cast<double>(workload.evaluation_ids.size());
    }
    results.push_back(std::move(all));
  }
  return results;
}

}  // namespace qsweep
