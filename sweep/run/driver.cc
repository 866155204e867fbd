#include "sweep/run/driver.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"

#include "src/exec/program.h"

#include "io/fs/file_system.h"
#include "io/report/report.h"
#include "io/store/sweep_store.h"

#include "sweep/plan/conclusions.h"
#include "sweep/run/crew.h"
#include "sweep/run/results.h"

namespace qsweep {
namespace {

constexpr std::uint64_t kLeastFreeBytes = std::uint64_t{64} << 20;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Files of a run directory (DESIGN.md section 3).
struct RunDirectory {
  explicit RunDirectory(const std::filesystem::path& path)
      : root(std::filesystem::absolute(path)) {}
  std::filesystem::path root;
  [[nodiscard]] std::filesystem::path config() const { return root / "run_config.yaml"; }
  [[nodiscard]] std::filesystem::path journal() const { return root / "journal.qsj"; }
  [[nodiscard]] std::filesystem::path store() const { return root / "sweep.h5"; }
  [[nodiscard]] std::filesystem::path activations() const { return root / "activations"; }
  [[nodiscard]] std::filesystem::path logs() const { return root / "logs"; }
};

void check_disk(const std::filesystem::path& directory) {
  const std::uint64_t available = real_file_system().free_bytes(directory);
  if (available < kLeastFreeBytes) {
    throw Error(
        ErrorCode::io,
        fmt::format("only {} bytes are free, a run needs at least {}", available, kLeastFreeBytes),
        directory.string(), "Free some space or choose another --out");
  }
}

std::int64_t count_failed(const Findings& f) {
  const auto failed = [](const std::vector<SchemeResult>& results) {
    return std::ranges::count(results, SchemeResult::State::failed, &SchemeResult::state);
  };
  return failed(f.case_results) + failed(f.scheme_results);
}

/// Everything that follows from the journal: sweep.h5, reports, manifest.
void write_files(const RunDirectory& directory,
                 const RunResults& results,
                 const std::vector<std::filesystem::path>& activations) {
  write_sweep_store(real_file_system(), directory.store(), results, activations);
  std::vector<std::string> others = {"run_config.yaml", "sweep.h5"};
  for (const auto& part : activations)
    others.push_back(part.lexically_relative(directory.root).string());
  write_reports(real_file_system(), directory.root, results, conclude(results), others);
}

struct LoadedRun {
  std::shared_ptr<const Workload> workload;
  RunResults results;
  std::vector<std::filesystem::path> activations;
};

LoadedRun load(const RunDirectory& directory, const std::filesystem::path& named) {
  FileSystem& files = real_file_system();
  if (!files.exists(directory.journal())) {
    throw Error(ErrorCode::io, "this is not a run directory: it has no journal.qsj", named.string(),
                "Name the --out directory of a qsweep run");
  }
  LoadedRun run{
      .workload = open_workload(load_job(directory.config())), .results = {}, .activations = {}};
  const Workload& w = *run.workload;
  const RecordStore records = RecordStore::read_only(files, directory.journal(), w.identity);
  const Stages stages = stages_of(w, {.activations = directory.activations()});
  const Findings findings = read_stages(stages, records);
  if (!findings.baseline.is_ok()) {
    throw Error(ErrorCode::config, "the run has not evaluated the float model yet", named.string(),
                "Run `qsweep run` on its job first");
  }
  run.results = assemble(w, findings, ledger_of(records));
  run.activations = findings.activations;
  return run;
}

/// The stages of `all` behind `last`, read: what earlier starts of the run have left.
void read_rest(const Stages& all, StageId last, const RecordStore& records, Findings& findings) {
  for (const auto& stage : all) {
    if (stage->id() > last) stage->read(records, findings);
  }
}

/// Seconds of the float model on one image here, measured on a batch.
double seconds_per_image(const Workload& w) {
  const Tensor images = w.evaluation.images({0, std::min(w.evaluation.size(), w.model.batch)});
  FloatRunner runner(*w.model.program);
  (void)runner.run({&images, 1});  // packs and warms
  const auto start = std::chrono::steady_clock::now();
  (void)runner.run({&images, 1});
  return seconds_since(start) / static_cast<double>(images.dim(0));
}

}  // namespace

RunOutcome run_job(const JobConfig& job,
                   const RunOptions& options,
                   Session& session,
                   Progress& progress) {
  const RunDirectory directory(options.directory);
  const OpenedRun run = open_run(job, WorkloadUse::evaluate, session);
  const Workload& w = *run.workload;
  const StageOptions places{.activations = directory.activations()};
  check_stages(stages_of(w, places));
  FileSystem& files = real_file_system();
  const std::filesystem::path logs =
      options.logs.empty() ? directory.logs() : std::filesystem::absolute(options.logs);
  files.create_directories(logs);
  files.create_directories(directory.root);
  check_disk(directory.root);
  open_log_file(logs / "rank-0.log", 0);
  log_info(fmt::format("run of {} with {} rank(s)", job.model.string(), session.transport.size()));
  RecordStore records(files, directory.journal(), w.identity);
  if (records.size() > 0)
    log_info(fmt::format("resuming: {} records are in the journal", records.size()));
  files.replace(directory.config(), to_yaml(job));

  Crew crew(session, run, records, progress, logs);
  Findings findings = run_stages(crew, stages_of(w, places, options.last));
  read_rest(stages_of(w, places), options.last, records, findings);
  const RunResults::Ledger ledger = ledger_of(records);
  if (ledger.work_done > 0.0)
    log_info(fmt::format("work: {:.3g} MACs and moved elements, {:.1f} % of every scheme alone",
                         ledger.work_done, 100.0 * ledger.work_done / ledger.work_without_reuse));
  RunOutcome outcome{.results = assemble(w, findings, ledger), .failed = count_failed(findings)};
  warn_of_alarms(outcome.results);
  write_files(directory, outcome.results, findings.activations);
  if (crew.coordinator().lost_ranks() > 0)
    log_warning(fmt::format("{} rank(s) were lost on the way; the others did their work",
                            crew.coordinator().lost_ranks()));
  log_decoding(w);
  return outcome;
}

Parting serve_job(Transport& transport, WorkloadShelf& shelf) {
  JobHandler handler(transport.rank(), transport.node_size(), transport.has_process(), shelf);
  const Parting parting = serve(transport, handler, {.fingerprint = engine_identity()});
  if (handler.workload() != nullptr && transport.has_process()) log_decoding(*handler.workload());
  return parting;
}

RunResults load_results(const std::filesystem::path& directory) {
  return load(RunDirectory(directory), directory).results;
}

RunResults rebuild_reports(const std::filesystem::path& directory) {
  const RunDirectory place(directory);
  LoadedRun run = load(place, directory);
  write_files(place, run.results, run.activations);
  return std::move(run.results);
}

RunPlan plan_job(const JobConfig& job, const RunOptions& options) {
  const std::shared_ptr<const Workload> workload = open_workload(job);
  const Workload& w = *workload;
  for (const std::string& warning : warnings_of(w)) log_warning(warning);
  const RunDirectory directory(options.directory);
  FileSystem& files = real_file_system();
  const RecordStore records = files.exists(directory.journal())
                                  ? RecordStore::preview(files, directory.journal(), w.identity)
                                  : RecordStore();
  RunPlan plan{.layers = std::ssize(w.layers()),
               .images = w.evaluation.size(),
               .done = static_cast<std::int64_t>(records.size())};
  Findings findings;
  const Stages stages = stages_of(w, {.activations = directory.activations()});
  check_stages(stages);
  for (const auto& stage : stages) {
    for (const Piece& p : stage->missing(findings, records, 1)) {
      plan.work += p.task.cost;
      ++plan.tasks;
    }
    stage->read(records, findings);
  }
  plan.evaluations = std::ssize(findings.cases) + std::ssize(findings.schemes);
  std::vector<Assignment> all;
  for (const Scheme& s : findings.schemes) all.push_back(s.precision);
  plan.peak_bytes =
      plan_walk(*w.model.program, w.model.batch_trace, w.plan.precisions.all(), all,
                {.memory_budget = job.memory_budget_mb << 20, .placement = &w.model.placement})
          .peak_bytes;
  plan.seconds_one_rank = plan.work / w.model.image_work() * seconds_per_image(w);
  return plan;
}

RunResults calibrate_once(const JobConfig& job,
                          WorkloadUse use,
                          Session& session,
                          Progress& progress) {
  const OpenedRun run = open_run(job, use, session);
  RecordStore records;
  Crew crew(session, run, records, progress);
  return assemble_calibration(*run.workload,
                              run_stages(crew, calibration_stages(*run.workload)).stats);
}

SingleEvaluation evaluate_once(const JobConfig& job,
                               const std::string& scheme_text,
                               Session& session,
                               Progress& progress) {
  JobConfig with_scheme = job;
  with_scheme.families.clear();
  with_scheme.search = {};
  with_scheme.sensitivity.precisions.clear();
  with_scheme.latency.source = "none";
  with_scheme.schemes.clear();
  if (!scheme_text.empty()) with_scheme.schemes.push_back(scheme_text);
  const OpenedRun run = open_run(with_scheme, WorkloadUse::evaluate, session);
  const Workload& w = *run.workload;
  RecordStore records;
  Crew crew(session, run, records, progress);
  Findings f = run_stages(crew, single_stages(w));
  if (f.schemes.empty()) {
    f.schemes = {w.uniform(0)};
    f.scheme_results = {f.baseline};
  }
  const SchemeResult& result = f.scheme_results.front();
  if (!result.is_ok())
    throw Error(ErrorCode::numeric, "evaluation failed: " + result.reason, job.model.string());
  double seconds = 0.0;
  const RunResults::Ledger ledger = ledger_of(records);
  for (const auto& [stage, spent] : ledger.stage_seconds) {
    if (stage == name_of(StageId::baseline) || stage == name_of(StageId::sweep)) seconds += spent;
  }
  const RunResults all = assemble(w, f, ledger);
  warn_of_alarms(all);
  const RunResults::Evaluation& e = all.evaluations.back();
  if (!e.reason.empty()) log_warning(fmt::format("{}: {}", e.name, e.reason));
  ScoreSummary summary = result.verdict->summary();
  return {.model = all.model,
          .scheme_id = e.id,
          .scheme_text = e.text,
          .images = e.images,
          .metrics = w.all.scorer->metrics(),
          .values = std::move(summary.metrics),
          .correct = std::move(summary.correct),
          .ci_low = e.ci_low,
          .ci_high = e.ci_high,
          .baseline = all.baseline.metric,
          .drop = e.drop,
          .drop_low = e.drop_low,
          .drop_high = e.drop_high,
          .mean_kl = e.kl,
          .seconds = seconds,
          .workload = run.workload,
          .verdict = result.verdict};
}

}  // namespace qsweep
