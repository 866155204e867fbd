#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sweep/plan/scheme.h"
#include "sweep/run/crew.h"
#include "sweep/run/task/task.h"

namespace qsweep {

/// What a scheme did on all evaluation images: its shards joined in order.
struct SchemeResult {
  bool ok = false;
  std::string reason;                      ///< when not ok
  std::shared_ptr<const Verdict> verdict;  ///< when ok
  double mean_kl = 0.0;
  ErrorSums output_error;
  bool nonfinite = false;
  double seconds = 0.0;
  std::vector<ShardResult::LayerProbe> probes;
};

/// What evaluations keep besides the scores' verdicts.
enum class Detail {
  none,
  probes,       ///< errors of the quantized layers (sensitivity)
  predictions,  ///< what Verdict::predictions() needs; never journaled
};

/// All layers at one precision.
[[nodiscard]] Scheme uniform_scheme(const Workload& workload, std::uint8_t precision);

/// The tasks that evaluate what the records lack: a shard's schemes in trie order, cut so that
/// every rank has a few and none takes more than some seconds. How they are cut changes no result.
/// A pure function of its arguments.
[[nodiscard]] std::vector<Crew::Piece> evaluation_tasks(const Workload& workload,
                                                        const RecordStore& records,
                                                        std::span<const Scheme> schemes,
                                                        Detail detail,
                                                        int ranks = 1);

/// Evaluates schemes on every shard; results already recorded are not computed again. A scheme that
/// fails on a shard fails alone. @throws Stopped
[[nodiscard]] std::vector<SchemeResult> evaluate_schemes(Crew& crew,
                                                         const std::string& stage,
                                                         std::span<const Scheme> schemes,
                                                         Detail detail);

/// Results of schemes from the records alone; those with a missing shard are not ok.
/// @param detail that they were evaluated with
[[nodiscard]] std::vector<SchemeResult> recorded_results(const Workload& workload,
                                                         const RecordStore& records,
                                                         std::span<const Scheme> schemes,
                                                         Detail detail = Detail::none);

}  // namespace qsweep
