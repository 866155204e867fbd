#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/exec/bank.h"
#include "src/exec/walk.h"

#include "sweep/plan/latency.h"
#include "sweep/plan/scheme.h"
#include "sweep/plan/sensitivity.h"
#include "sweep/scoring/scorer.h"
#include "sweep/work/records.h"

namespace qsweep {

/// What a scheme did on the images of a scope: its shards joined in order.
struct SchemeResult {
  enum class State : std::uint8_t { missing, ok, failed };
  State state = State::missing;
  std::string reason;                      ///< when failed
  std::shared_ptr<const Verdict> verdict;  ///< when ok
  double mean_kl = 0.0;
  ErrorSums output_error;
  bool nonfinite = false;
  double seconds = 0.0;
  std::vector<ShardResult::LayerProbe> probes;
  [[nodiscard]] bool is_ok() const { return state == State::ok; }
};

/// One single-layer run: a scheme made for it, and what it stands for.
struct SensitivityCase {
  LayerId layer{};
  std::uint8_t precision = 0;
  SensitivityMode mode = SensitivityMode::only;
  Scheme scheme;
  bool is_probed = false;  ///< the layer's own errors are taken: no other layer's reach it
};

/// How far a stage is.
struct StageProgress {
  std::string name;
  std::int64_t planned = 0;  ///< evaluations, or pieces of work
  std::int64_t done = 0;     ///< of them, failed ones included
};

/// What a run has found so far; parts not reached yet are empty.
struct Findings {
  std::vector<TensorStats> ranges;  ///< by layer, without histograms
  std::vector<TensorStats> stats;   ///< by layer, with histograms
  Adaptations adaptations;
  SchemeResult baseline;          ///< the float model on all evaluation images
  SchemeResult probing_baseline;  ///< and on those of the single-layer runs
  SchemeResult base;  ///< all layers at CompiledJob::base; what drops of the cases are against
  std::vector<SensitivityCase> cases;
  std::vector<SchemeResult> case_results;
  bool is_ranked = false;  ///< every case has a result, so the sweep's schemes are known
  std::vector<Scheme> schemes;
  std::vector<SchemeResult> scheme_results;
  std::optional<LatencyTable> latency;
  std::vector<std::filesystem::path> activations;  ///< part files, in layer order
  std::vector<StageProgress> stages;               ///< those read, in order

  [[nodiscard]] bool is_complete() const;
};

/// The records behind a layer ranking (R119-R127): of the cases that are ok, in their order.
[[nodiscard]] std::vector<SensitivityRecord> sensitivity_records(const Findings& findings);

}  // namespace qsweep
