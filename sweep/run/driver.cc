#include "sweep/run/driver.h"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <map>
#include <set>

#include <fmt/format.h>

#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/machine.h"

#include "io/fs/file_system.h"
#include "io/report/report.h"
#include "io/store/sweep_store.h"

#include "sweep/plan/conclusions.h"
#include "sweep/plan/families.h"
#include "sweep/run/activations.h"
#include "sweep/run/adaptation.h"
#include "sweep/run/calibration.h"
#include "sweep/run/crew.h"
#include "sweep/run/latency.h"
#include "sweep/run/layer_inputs.h"
#include "sweep/run/results.h"

namespace qsweep {
namespace {

constexpr std::uint64_t kLeastFreeBytes = std::uint64_t{64} << 20;

/// Files of a run directory (DESIGN.md section 3).
struct RunDirectory {
  std::filesystem::path root;
  [[nodiscard]] std::filesystem::path config() const { return root / "run_config.yaml"; }
  [[nodiscard]] std::filesystem::path journal() const { return root / "journal.qsj"; }
  [[nodiscard]] std::filesystem::path store() const { return root / "sweep.h5"; }
  [[nodiscard]] std::filesystem::path activations() const { return root / "activations"; }
  [[nodiscard]] std::filesystem::path logs() const { return root / "logs"; }
};

/// What a run leaves besides the reports, for the manifest.
std::vector<std::string> other_files(const RunDirectory& directory,
                                     const std::vector<std::filesystem::path>& parts) {
  std::vector<std::string> files = {"run_config.yaml", "sweep.h5"};
  for (const auto& part : parts) files.push_back(part.lexically_relative(directory.root).string());
  return files;
}

/// `layer` and those it leads at `own`, all others at `rest`.
Assignment single_layer(const std::vector<int>& leaders,
                        int layer,
                        std::uint8_t own,
                        std::uint8_t rest) {
  Assignment a(leaders.size(), rest);
  for (std::size_t i = 0; i < leaders.size(); ++i) {
    if (leaders[i] == layer) a[i] = own;
  }
  return a;
}

std::vector<SensitivityCase> sensitivity_cases(const Workload& w) {
  const auto& layers = w.program->layers();
  const std::string on = w.base == 0 ? "" : " on " + w.precisions.at(w.base).name;
  std::vector<SensitivityCase> cases;
  for (const std::string& mode : w.job.sensitivity.modes) {
    const bool only = mode == "only";
    // Only a layer quantized alone is looked at from within: errors behind others are not its own.
    const Detail detail = only && w.base == 0 ? Detail::probes : Detail::none;
    for (const std::uint8_t p : w.probed) {
      for (int i = 0; i < static_cast<int>(layers.size()); ++i) {
        if (w.leaders[static_cast<std::size_t>(i)] != i) continue;
        std::string label =
            fmt::format("{} {} {}{}", only ? "only" : "all but",
                        layers[static_cast<std::size_t>(i)].name, w.precisions.at(p).name, on);
        Assignment assignment =
            only ? single_layer(w.leaders, i, p, w.base) : single_layer(w.leaders, i, w.base, p);
        cases.push_back(
            {i, p, mode,
             make_scheme(std::move(label), std::move(assignment), layers, w.precisions, w.settings),
             detail});
      }
    }
  }
  return cases;
}

/// The precision whose ranking orders a family: `rest` itself when it was probed, else one with the
/// same weight format, else the first probed.
std::uint8_t ranking_precision(const Workload& w,
                               const std::string& rest,
                               const std::vector<SensitivityRecord>& records) {
  const std::uint8_t wanted = w.precisions.index(parse_precision(rest, quant_defaults(w.job)).name);
  const auto has = [&](auto&& test) {
    return std::find_if(records.begin(), records.end(),
                        [&](const auto& r) { return test(r.precision); });
  };
  auto found = has([&](std::uint8_t p) { return p == wanted; });
  if (found == records.end()) {
    found = has([&](std::uint8_t p) {
      return w.precisions.at(p).weight == w.precisions.at(wanted).weight;
    });
  }
  if (found == records.end()) found = records.begin();
  return found == records.end() ? wanted : found->precision;
}

/// Layers from most to least sensitive at a family's `rest`. Without single-layer runs the ranking
/// is by what keeping each layer gives back; without any, or for layers whose runs failed, in layer
/// order.
std::vector<int> layer_ranking(const Workload& w,
                               const std::string& rest,
                               const std::vector<SensitivityRecord>& records) {
  std::vector<SensitivityRecord> used;
  const bool has_only =
      std::any_of(records.begin(), records.end(), [](const auto& r) { return r.mode == "only"; });
  for (const SensitivityRecord& r : records) {
    if (r.mode == (has_only ? "only" : "all_but")) used.push_back(r);
  }
  std::vector<int> ranking =
      rank_layers(used, ranking_precision(w, rest, used), parse_score(w.job.sensitivity.score));
  if (!has_only) std::reverse(ranking.begin(), ranking.end());
  for (const int i : std::set<int>(w.leaders.begin(), w.leaders.end())) {
    if (std::find(ranking.begin(), ranking.end(), i) == ranking.end()) ranking.push_back(i);
  }
  return ranking;
}

SchemeSpace search_space(const Workload& w) {
  std::set<int> varying;
  for (const std::string& selector : w.job.search.layers) {
    const auto matched = select_layers(selector == "all" ? "*" : selector, w.program->layers());
    varying.insert(matched.begin(), matched.end());
  }
  return {w.job.search.precisions, {varying.begin(), varying.end()}, w.job.search.rest};
}

/// Uniform references, families, the search space and listed schemes, each assignment once, in
/// this order.
std::vector<Scheme> planned_schemes(const Workload& w,
                                    const std::vector<SensitivityRecord>& records) {
  PrecisionSet precisions = w.precisions;
  const auto& layers = w.program->layers();
  std::vector<Scheme> schemes = uniform_schemes(layers, precisions, w.settings);
  for (const JobConfig::Family& family : w.job.families) {
    const std::vector<int> ranking = layer_ranking(w, family.rest, records);
    for (Scheme& s : enumerate_family({family.rest, family.keep, family.k, family.every}, ranking,
                                      layers, precisions, w.settings, w.leaders)) {
      schemes.push_back(std::move(s));
    }
  }
  if (!w.job.search.method.empty()) {
    for (Scheme& s :
         enumerate_space(search_space(w), layers, precisions, w.settings, w.job.search.schemes))
      schemes.push_back(std::move(s));
  }
  for (const auto& [name, text] : w.listed_schemes) {
    schemes.push_back(make_scheme(name, parse_scheme(text, layers, precisions), layers,
                                  w.precisions, w.settings));
  }
  return deduplicate(std::move(schemes));
}

/// The scheme whose activations are kept beside the float ones: all layers at the first family's
/// `rest`, else at the first probed precision, else at the first that any scheme uses.
Assignment reference_assignment(const Workload& w) {
  std::uint8_t p = w.precisions.all().size() > 1 ? 1 : 0;
  if (!w.job.families.empty()) {
    const std::string& rest = w.job.families.front().rest;
    p = w.precisions.index(parse_precision(rest, quant_defaults(w.job)).name);
  } else if (!w.probed.empty()) {
    p = w.probed.front();
  }
  return Assignment(w.program->layers().size(), p);
}

std::vector<Scheme> schemes_of(const std::vector<SensitivityCase>& cases) {
  std::vector<Scheme> schemes;
  for (const SensitivityCase& c : cases) schemes.push_back(c.scheme);
  return schemes;
}

/// What the sensitivity stage evaluates with a detail: its cases, and their base where it is not
/// the float model.
std::vector<Scheme> sensitivity_schemes(const Workload& w,
                                        const std::vector<SensitivityCase>& cases,
                                        Detail detail) {
  std::vector<Scheme> schemes;
  if (w.base != 0 && detail == Detail::none) schemes.push_back(uniform_scheme(w, w.base));
  for (const SensitivityCase& c : cases) {
    if (c.detail == detail) schemes.push_back(c.scheme);
  }
  return schemes;
}

/// Takes cases, base and their results from the records.
void find_cases(const Workload& w, const RecordStore& records, Findings& f) {
  f.cases = sensitivity_cases(w);
  f.case_results = recorded_results(w, records, schemes_of(f.cases));
  f.base = w.base == 0
               ? f.baseline
               : recorded_results(w, records, std::vector{uniform_scheme(w, w.base)}).front();
}

void evaluate_cases(Crew& crew, Findings& f) {
  const Workload& w = crew.workload();
  const std::vector<SensitivityCase> cases = sensitivity_cases(w);
  for (const Detail detail : {Detail::probes, Detail::none}) {
    const std::vector<Scheme> schemes = sensitivity_schemes(w, cases, detail);
    if (!schemes.empty()) (void)evaluate_schemes(crew, "sensitivity", schemes, detail);
  }
  find_cases(w, crew.records(), f);
  if (!f.base.ok) {
    throw Error(ErrorCode::numeric,
                fmt::format("the sensitivity base, {} on every layer, could not be evaluated: {}",
                            w.precisions.at(w.base).name, f.base.reason),
                w.job.model.string());
  }
}

/// The schemes that no other list has: one is evaluated once, whatever asks for it.
std::vector<Scheme> without(std::vector<Scheme> schemes,
                            std::initializer_list<const std::vector<Scheme>*> others) {
  std::set<std::string> known;
  for (const std::vector<Scheme>* list : others) {
    for (const Scheme& s : *list) known.insert(s.id);
  }
  std::erase_if(schemes, [&](const Scheme& s) { return known.contains(s.id); });
  return schemes;
}

void check_disk(const std::filesystem::path& directory) {
  const std::uint64_t available = real_file_system().free_bytes(directory);
  if (available < kLeastFreeBytes) {
    throw Error(
        ErrorCode::io,
        fmt::format("only {} bytes are free, a run needs at least {}", available, kLeastFreeBytes),
        directory.string(), "Free some space or choose another --out");
  }
}

/// The crew through the stages, in order; `last` ends it early.
Findings run_stages(Crew& crew, Stage last) {
  const Workload& w = crew.workload();
  Findings f;
  if (needs_calibration(w)) f.stats = calibrate_layers(crew);
  if (needs_inputs(w)) adapt_layers(crew);
  f.adaptations = recorded_adaptations(w, crew.records());
  const std::vector<Scheme> baseline = {uniform_scheme(w, 0)};
  f.baseline = evaluate_schemes(crew, "baseline", baseline, Detail::none).front();
  if (!f.baseline.ok)
    throw Error(ErrorCode::numeric, "the float model could not be evaluated: " + f.baseline.reason,
                w.job.model.string());
  if (last < Stage::sensitivity) return f;
  evaluate_cases(crew, f);
  if (last < Stage::sweep) return f;
  f.schemes = planned_schemes(w, sensitivity_records(f));
  f.scheme_results = evaluate_schemes(crew, "sweep", f.schemes, Detail::none);
  if (last < Stage::latency || w.job.latency.source == "none") return f;
  f.latency = latency_table(w, crew.records(), f.stats, crew.progress());
  return f;
}

/// What the records of a run hold, complete or not.
Findings replay(const Workload& w, const RecordStore& records) {
  Findings f;
  f.stats = recorded_stats(w, records);
  f.adaptations = recorded_adaptations(w, records);
  const std::vector<Scheme> baseline = {uniform_scheme(w, 0)};
  f.baseline = recorded_results(w, records, baseline).front();
  if (!f.baseline.ok) {
    throw Error(ErrorCode::config, "the run has not evaluated the float model yet",
                w.job.model.string(), "Run `qsweep run` on its job first");
  }
  const auto any = [](const std::vector<SchemeResult>& results) {
    return std::any_of(results.begin(), results.end(), [](const SchemeResult& r) { return r.ok; });
  };
  find_cases(w, records, f);
  if (!f.cases.empty() && (!f.base.ok || !any(f.case_results))) {
    f.cases.clear();
    f.case_results.clear();
    return f;
  }
  std::vector<Scheme> schemes = planned_schemes(w, sensitivity_records(f));
  std::vector<SchemeResult> scheme_results = recorded_results(w, records, schemes);
  const auto beyond_float = std::count_if(scheme_results.begin(), scheme_results.end(),
                                          [](const SchemeResult& r) { return r.ok; });
  if (beyond_float <= 1) return f;
  f.schemes = std::move(schemes);
  f.scheme_results = std::move(scheme_results);
  if (w.job.latency.source != "none") f.latency = known_latency_table(w, records);
  return f;
}

std::int64_t count_failed(const Findings& f) {
  const auto failed = [](const std::vector<SchemeResult>& results) {
    return std::count_if(results.begin(), results.end(),
                         [](const SchemeResult& r) { return !r.ok; });
  };
  return failed(f.case_results) + failed(f.scheme_results);
}

}  // namespace

RunOutcome run_job(const JobConfig& job,
                   const RunOptions& options,
                   Transport& transport,
                   Progress& progress,
                   const std::atomic<bool>& stop) {
  const RunDirectory directory{std::filesystem::absolute(options.directory)};
  const std::shared_ptr<const Workload> workload =
      open_workload(job, WorkloadUse::evaluate, new_share(transport));
  FileSystem& files = real_file_system();
  const std::filesystem::path logs =
      options.logs.empty() ? directory.logs() : std::filesystem::absolute(options.logs);
  files.create_directories(logs);
  files.create_directories(directory.root);
  check_disk(directory.root);
  open_log_file(logs / "rank-0.log", 0);
  log_info(fmt::format("run of {} with {} rank(s)", job.model.string(), transport.size()));
  RecordStore records(files, directory.journal(), workload->fingerprint());
  if (records.size() > 0)
    log_info(fmt::format("resuming: {} records are in the journal", records.size()));
  files.replace(directory.config(), to_yaml(job));

  Crew crew(transport, workload, records, progress, stop, {.fingerprint = engine_identity()}, logs);
  const Findings findings = run_stages(crew, options.last);
  std::vector<std::filesystem::path> parts;
  if (options.last == Stage::report) {
    files.create_directories(directory.activations());
    parts = capture_activations(crew, reference_assignment(*workload), directory.activations());
  }
  RunResults::Ledger ledger = crew.ledger();
  ledger.peak_bytes = peak_resident_bytes();
  if (ledger.work_done > 0.0)
    log_info(fmt::format("work: {:.3g} MACs and moved elements, {:.1f} % of every scheme alone",
                         ledger.work_done, 100.0 * ledger.work_done / ledger.work_without_reuse));
  RunOutcome outcome{.results = assemble(*workload, findings, ledger),
                     .failed = count_failed(findings)};
  write_sweep_store(directory.store(), outcome.results, parts);
  write_reports(files, directory.root, outcome.results, conclude(outcome.results),
                other_files(directory, parts));
  if (crew.coordinator().lost_ranks() > 0)
    log_warning(fmt::format("{} rank(s) were lost on the way; the others did their work",
                            crew.coordinator().lost_ranks()));
  log_decoding(*workload);
  return outcome;
}

Parting serve_job(Transport& transport) {
  Evaluator evaluator(transport.rank(), transport.node_size());
  const Parting parting = serve(transport, evaluator, {.fingerprint = engine_identity()});
  if (evaluator.workload() != nullptr) log_decoding(*evaluator.workload());
  return parting;
}

RunResults load_results(const std::filesystem::path& root) {
  const RunDirectory directory{std::filesystem::absolute(root)};
  FileSystem& files = real_file_system();
  if (!files.exists(directory.journal())) {
    throw Error(ErrorCode::io, "this is not a run directory: it has no journal.qsj", root.string(),
                "Name the --out directory of a qsweep run");
  }
  const JobConfig job = load_job(directory.config());
  const std::shared_ptr<const Workload> workload = open_workload(job);
  std::string fingerprint;
  RecordStore records = RecordStore::read_only(files, directory.journal(), &fingerprint);
  if (fingerprint != workload->fingerprint()) {
    throw Error(
        ErrorCode::mismatch, "model, data or engine are not those of the run any more",
        root.string(),
        "Restore the files that run_config.yaml names, or run the job again in a new directory");
  }
  return assemble(*workload, replay(*workload, records), {});
}

RunResults rebuild_reports(const std::filesystem::path& root) {
  RunResults results = load_results(root);
  write_reports(real_file_system(), std::filesystem::absolute(root), results, conclude(results));
  return results;
}

RunPlan plan_job(const JobConfig& job, const RunOptions& options) {
  const std::shared_ptr<const Workload> workload = open_workload(job);
  const Workload& w = *workload;
  const RunDirectory directory{std::filesystem::absolute(options.directory)};
  FileSystem& files = real_file_system();
  RecordStore records;
  if (files.exists(directory.journal())) {
    std::string fingerprint;
    RecordStore found = RecordStore::read_only(files, directory.journal(), &fingerprint);
    if (fingerprint == w.fingerprint()) records = std::move(found);
  }
  Findings known;
  known.baseline = recorded_results(w, records, std::vector{uniform_scheme(w, 0)}).front();
  find_cases(w, records, known);
  const std::vector<Scheme> probed = sensitivity_schemes(w, known.cases, Detail::probes);
  const std::vector<Scheme> unprobed = sensitivity_schemes(w, known.cases, Detail::none);
  // Before the ranking is known the schemes are others, but as many.
  const std::vector<Scheme> schemes = planned_schemes(
      w, known.base.ok ? sensitivity_records(known) : std::vector<SensitivityRecord>{});
  const std::vector<Scheme> others = without(schemes, {&probed, &unprobed});
  RunPlan plan{.layers = static_cast<std::int64_t>(w.program->layers().size()),
               .evaluations = static_cast<std::int64_t>(known.cases.size() + schemes.size()),
               .images = static_cast<std::int64_t>(w.evaluation_ids.size()),
               .done = static_cast<std::int64_t>(records.size())};
  for (const auto& [list, detail] :
       {std::pair(&probed, Detail::probes), std::pair(&unprobed, Detail::none),
        std::pair(&others, Detail::none)}) {
    for (const Crew::Piece& p : evaluation_tasks(w, records, *list, detail)) {
      plan.work += p.task.cost;
      ++plan.tasks;
    }
  }
  std::vector<Assignment> all;
  for (const Scheme& s : schemes) all.push_back(s.precision);
  plan.peak_bytes = plan_walk(*w.program, w.batch_trace, w.precisions.all(), all,
                              {.memory_budget = job.memory_budget_mb << 20})
                        .peak_bytes;
  const Tensor images =
      w.evaluation->images(std::span(w.evaluation_ids)
                               .first(std::min<std::size_t>(w.evaluation_ids.size(),
                                                            static_cast<std::size_t>(w.batch))));
  FloatRunner runner(*w.program);
  (void)runner.run({&images, 1});  // packs and warms
  const auto start = std::chrono::steady_clock::now();
  (void)runner.run({&images, 1});
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  double one = 0.0;
  for (double work : w.trace.work) one += work;
  plan.seconds_one_rank = plan.work / (one * static_cast<double>(images.dim(0))) * seconds;
  return plan;
}

RunResults calibrate_once(const JobConfig& job,
                          WorkloadUse use,
                          Transport& transport,
                          Progress& progress,
                          const std::atomic<bool>& stop) {
  const std::shared_ptr<const Workload> workload = open_workload(job, use, new_share(transport));
  RecordStore records;
  Crew crew(transport, workload, records, progress, stop, {.fingerprint = engine_identity()});
  return assemble_calibration(*workload, calibrate_layers(crew));
}

SingleEvaluation evaluate_once(const JobConfig& job,
                               const std::string& scheme_text,
                               Transport& transport,
                               Progress& progress,
                               const std::atomic<bool>& stop) {
  JobConfig with_scheme = job;
  with_scheme.families.clear();
  with_scheme.sensitivity.precisions.clear();
  with_scheme.schemes.clear();
  if (!scheme_text.empty()) with_scheme.schemes.push_back(scheme_text);
  const std::shared_ptr<const Workload> workload =
      open_workload(with_scheme, WorkloadUse::evaluate, new_share(transport));
  const Workload& w = *workload;
  RecordStore records;
  Crew crew(transport, workload, records, progress, stop, {.fingerprint = engine_identity()});
  Findings f;
  if (needs_calibration(w)) (void)calibrate_layers(crew);
  if (needs_inputs(w)) adapt_layers(crew);
  const auto start = std::chrono::steady_clock::now();
  Scheme scheme = uniform_scheme(w, 0);
  f.baseline =
      evaluate_schemes(crew, "float model", std::vector{scheme}, Detail::predictions).front();
  SchemeResult result = f.baseline;
  if (!w.listed_schemes.empty()) {
    const auto& [name, text] = w.listed_schemes.front();
    PrecisionSet precisions = w.precisions;
    scheme = make_scheme(name, parse_scheme(text, w.program->layers(), precisions),
                         w.program->layers(), w.precisions, w.settings);
    result = evaluate_schemes(crew, "scheme", std::vector{scheme}, Detail::predictions).front();
  }
  for (const SchemeResult* r : {&f.baseline, &result}) {
    if (!r->ok)
      throw Error(ErrorCode::numeric, "evaluation failed: " + r->reason, job.model.string());
  }
  f.schemes = {scheme};
  f.scheme_results = {result};
  const RunResults all = assemble(w, f, {});
  const RunResults::Evaluation& e = all.evaluations.back();
  SingleEvaluation out{.model = all.model,
                       .scheme_id = e.id,
                       .scheme_text = e.text,
                       .images = e.images,
                       .metrics = w.task->metrics(),
                       .ci_low = e.ci_low,
                       .ci_high = e.ci_high,
                       .baseline = all.baseline.metric,
                       .drop = e.drop,
                       .drop_low = e.drop_low,
                       .drop_high = e.drop_high,
                       .mean_kl = e.kl,
                       .workload = workload,
                       .verdict = result.verdict};
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  TaskSummary summary = result.verdict->summary();
  out.values = std::move(summary.metrics);
  out.correct = std::move(summary.correct);
  return out;
}

}  // namespace qsweep
