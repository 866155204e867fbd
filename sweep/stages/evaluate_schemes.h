#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sweep/stages/stage.h"

namespace qsweep {

/// What an evaluation keeps besides the outcomes.
enum class Detail : std::uint8_t {
  none,
  probes,       ///< errors of the quantized layers (single-layer runs)
  predictions,  ///< what Verdict::predictions() needs; never journaled
};

/// The pieces that evaluate what the records lack of `schemes` on a scope: a shard's schemes in
/// trie order, cut so that every rank has a few and none takes more than some seconds. A piece that
/// fails is taken apart, so that only the scheme at fault is lost. Pure.
[[nodiscard]] std::vector<Piece> missing_evaluations(const Workload& workload,
                                                     const EvaluationScope& scope,
                                                     const RecordStore& records,
                                                     std::span<const Scheme> schemes,
                                                     Detail detail,
                                                     int ranks);

/// Results of schemes on a scope from the records, by scheme. @param detail that they were
/// evaluated with
[[nodiscard]] std::vector<SchemeResult> recorded_results(const Workload& workload,
                                                         const EvaluationScope& scope,
                                                         const RecordStore& records,
                                                         std::span<const Scheme> schemes,
                                                         Detail detail = Detail::none);

/// How far a list of evaluations is.
[[nodiscard]] StageProgress progress_of(StageId stage, std::span<const SchemeResult> results);

}  // namespace qsweep
