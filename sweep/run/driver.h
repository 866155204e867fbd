#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "src/results/results.h"

#include "io/config/job.h"

#include "ranks/coordinator.h"

#include "sweep/run/session.h"
#include "sweep/stages/progress.h"
#include "sweep/stages/stage.h"

namespace qsweep {

struct RunOptions {
  std::filesystem::path directory;
  StageId last = StageId::activations;  ///< stages behind it are read, not run
  std::filesystem::path logs = {};      ///< empty: in the directory
};

struct RunOutcome {
  RunResults results;
  std::int64_t failed = 0;  ///< evaluations that failed; they are listed in the results
};

/// Rank 0 of a run: opens or resumes the run directory, takes the ranks through the stages and
/// leaves every file of the run directory, each with all that the journal holds. @throws Stopped
/// when `session.stop` ended it early (state saved), Error otherwise.
[[nodiscard]] RunOutcome run_job(const JobConfig& job,
                                 const RunOptions& options,
                                 Session& session,
                                 Progress& progress);

/// A rank other than 0: serves one crew of rank 0's until told to leave.
/// @param shelf of the process; must outlive the call
Parting serve_job(Transport& transport, WorkloadShelf& shelf);

/// Results of a run directory from its journal, without computing; writes nothing.
[[nodiscard]] RunResults load_results(const std::filesystem::path& directory);

/// load_results(), and every file that follows from the journal written anew.
[[nodiscard]] RunResults rebuild_reports(const std::filesystem::path& directory);

/// Calibrates without a run directory: model, data, calibration_stats, calibration_warnings.
[[nodiscard]] RunResults calibrate_once(const JobConfig& job,
                                        WorkloadUse use,
                                        Session& session,
                                        Progress& progress);

/// What run_job() would do, for --dry-run.
struct RunPlan {
  std::int64_t layers = 0, evaluations = 0, tasks = 0, images = 0, done = 0;
  double work = 0.0;              ///< MACs and moved elements still to do, after reuse
  std::int64_t peak_bytes = 0;    ///< live tensors per rank
  double seconds_one_rank = 0.0;  ///< estimate from a timed forward pass here
};
[[nodiscard]] RunPlan plan_job(const JobConfig& job, const RunOptions& options);

/// One evaluation without a run directory: calibrates if the scheme needs it, evaluates on all
/// images.
struct SingleEvaluation {
  RunResults::Model model;
  std::string scheme_id, scheme_text;
  std::int64_t images = 0;
  std::vector<Metric> metrics{};        ///< the first is what drops
  std::vector<double> values{};         ///< of the metrics
  std::vector<std::int64_t> correct{};  ///< images, where the metrics are shares of them
  double ci_low = 0.0, ci_high = 0.0;
  double baseline = 0.0, drop = 0.0, drop_low = 0.0, drop_high = 0.0, mean_kl = 0.0;
  double seconds = 0.0;  ///< of evaluating, start-up and calibration apart
  std::shared_ptr<const Workload> workload{};
  std::shared_ptr<const Verdict> verdict{};  ///< of the scheme
};
/// @param scheme text form; empty = the scheme of the job's preset and rules, or the float model
[[nodiscard]] SingleEvaluation evaluate_once(const JobConfig& job,
                                             const std::string& scheme,
                                             Session& session,
                                             Progress& progress);

}  // namespace qsweep
