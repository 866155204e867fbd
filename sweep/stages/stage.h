#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ranks/coordinator.h"

#include "sweep/job/workload.h"
#include "sweep/stages/findings.h"
#include "sweep/stages/progress.h"
#include "sweep/work/record_store.h"

namespace qsweep {

/// The stages of a run, in order; each needs those before it.
enum class StageId : std::uint8_t {
  ranges,       ///< extremes of every layer input over the calibration images
  histograms,   ///< counts within them
  inputs,       ///< samples of the inputs, where the weight algorithm looks at them
  adaptation,   ///< what the weight algorithm does to each (layer, precision)
  baseline,     ///< the float model
  sensitivity,  ///< single-layer runs
  sweep,        ///< the job's schemes
  latency,      ///< the latency table
  activations,  ///< raw activations of sampled images
};
/// As progress, ledger and messages name it.
[[nodiscard]] std::string_view name_of(StageId id);

/// What a task computed, in MACs and moved elements, and would have without shared prefixes.
struct WorkDone {
  double work = 0.0;
  double work_without_reuse = 0.0;
};

/// A piece of work that the records lack: a task for any rank, and what becomes of its end.
struct Piece {
  std::string key;  ///< for messages and the ledger
  Task task;        ///< its cost is in work units, where they are known
  /// Enters the result in the records. @throws Error(corrupt_input)
  std::function<WorkDone(const Bytes& result, RecordStore& records)> keep;
  /// The task has failed on every attempt: throws when the run cannot go on, or notes the failure;
  /// @return smaller pieces to try instead
  std::function<std::vector<Piece>(const std::string& error, RecordStore& records)> fail;
};

/// One stage of a run. Running, resuming, planning, replaying and evaluating once are folds over a
/// list of stages (sweep/run/driver.h). Immutable; the workload must outlive it.
class Stage {
 public:
  virtual ~Stage() = default;
  [[nodiscard]] virtual StageId id() const = 0;
  /// @throws Error on what can be known to be wrong before any rank computes
  virtual void check() const;
  /// Work of rank 0 alone, before the ranks': takes records from elsewhere (a cache), or measures.
  virtual void prepare(const Findings& findings, RecordStore& records, Progress& progress) const;
  /// What the records lack. A pure function of workload, findings of the stages before, records and
  /// number of ranks; how it is cut changes no result.
  [[nodiscard]] virtual std::vector<Piece> missing(const Findings& findings,
                                                   const RecordStore& records,
                                                   int ranks) const = 0;
  /// Takes what the records hold into the findings, complete or not, and enters how far the stage
  /// is. @throws Error when what they hold leaves the stages behind it without sense
  virtual void read(const RecordStore& records, Findings& findings) const = 0;
  /// What the ranks need to know before the stages behind it; nothing where they need nothing new.
  [[nodiscard]] virtual std::optional<Bytes> state(const Findings& findings) const;
  /// After a run of the stage: leaves records elsewhere (a cache), or drops what no other needs.
  virtual void conclude(const Findings& findings, RecordStore& records) const;
};

using Stages = std::vector<std::unique_ptr<const Stage>>;

struct StageOptions {
  std::filesystem::path activations;  ///< folder of the part files; empty: none are kept
};
/// The stages that a job has, in order, up to `last`.
[[nodiscard]] Stages stages_of(const Workload& workload,
                               const StageOptions& options,
                               StageId last = StageId::activations);
/// Those of calibrating alone.
[[nodiscard]] Stages calibration_stages(const Workload& workload);
/// Those of evaluating the float model and the first listed scheme, with what predictions need.
[[nodiscard]] Stages single_stages(const Workload& workload);

/// Checks every stage.
void check_stages(const Stages& stages);
/// Reads the records into findings, stage after stage.
[[nodiscard]] Findings read_stages(const Stages& stages, const RecordStore& records);

}  // namespace qsweep
