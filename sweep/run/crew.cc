#include "sweep/run/crew.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "src/base/log.h"
#include "src/base/machine.h"

#include "ranks/out_of_memory.h"

namespace qsweep {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string session_key(int session) {
  return fmt::format("{:06}", session);
}

/// Sessions that the records know of, also those that were killed.
int sessions_before(const RecordStore& records) {
  const auto sessions = records.all(RecordKind::session);
  return sessions.empty() ? 0 : std::stoi(sessions.back().first) + 1;
}

std::string new_run_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

}  // namespace

OpenedRun open_run(const JobConfig& job, WorkloadUse use, Session& session) {
  OpenedRun run{.name = new_run_name(), .workload = nullptr};
  // Thread ranks share the workload itself, so the pictures are this process's.
  const Transport& transport = session.transport;
  run.workload = open_workload(
      job, use, {.run = run.name, .ranks = transport.has_process() ? transport.node_size() : 1});
  session.shelf.put(run.name, run.workload);
  for (const std::string& warning : warnings_of(*run.workload)) log_warning(warning);
  return run;
}

Crew::Crew(Session& session,
           const OpenedRun& run,
           RecordStore& records,
           Progress& progress,
           const std::filesystem::path& log_directory)
    : workload_(run.workload),
      records_(records),
      progress_(progress),
      stop_(session.stop),
      handler_(session.transport.node_size(), run.workload, run.name),
      coordinator_(session.transport, handler_, {.fingerprint = engine_identity()}),
      session_(sessions_before(records)),
      session_record_{.ranks = session.transport.size(), .stage_seconds = {}, .peak_bytes = 0} {
  if (session.transport.size() == 1) return;
  const std::string logs = session.transport.has_process() ? log_directory.string() : std::string();
  configure(JobHandler::open_job_message(*workload_, run.name, logs));
}

void Crew::run(const std::string& stage, std::vector<Piece> pieces) {
  if (pieces.empty()) return;
  if (tasks_ == 0)  // so that the next start has a number of its own, however this one ends
    records_.put(RecordKind::session, session_key(session_), encode(session_record_));
  for (const Bytes& state : std::exchange(pending_, {})) configure(state);
  double total = 0.0;
  for (const Piece& p : pieces) total += p.task.cost;
  progress_.begin(stage, total);
  double finished = 0.0;
  std::size_t count = 0, planned = pieces.size();
  while (!pieces.empty()) {
    std::vector<Task> tasks;
    for (const Piece& p : pieces) tasks.push_back(p.task);
    std::vector<Piece> next;
    const bool complete = coordinator_.run(
        tasks,
        [&](const TaskOutcome& outcome) {
          if (outcome.error.starts_with(kOutOfMemory)) {
            // With a hint of its own where it says more than that.
            throw Error(
                ErrorCode::resource, outcome.error, {},
                outcome.error == kOutOfMemory ? "Start fewer ranks or raise the limit" : "");
          }
          const Piece& piece = pieces.at(outcome.task);
          WorkDone work;
          if (outcome.ok) {
            work = piece.keep(outcome.result, records_);
          } else {
            for (Piece& smaller : piece.fail(outcome.error, records_))
              next.push_back(std::move(smaller));
          }
          note_task(stage, piece, outcome, work);
          finished += piece.task.cost;
          progress_.advance(std::min(finished, total),
                            fmt::format("{}/{} tasks", ++count, planned));
        },
        stop_);
    if (!complete) {
      records_.sync();
      progress_.end();
      throw Stopped();
    }
    planned += next.size();
    pieces = std::move(next);
  }
  records_.sync();
  progress_.end();
}

void Crew::configure(const Bytes& state) {
  if (!coordinator_.configure(state, stop_)) throw Stopped();
}

void Crew::note_task(const std::string& stage,
                     const Piece& piece,
                     const TaskOutcome& outcome,
                     const WorkDone& work) {
  records_.put(
      RecordKind::task_time, fmt::format("{}/{:08}", session_key(session_), tasks_++),
      encode(RunResults::TaskTime{.stage = stage,
                                  .key = piece.key,
                                  .rank = outcome.rank,
                                  .start_s = outcome.start_s,
                                  .seconds = outcome.seconds,
                                  .bytes = static_cast<std::int64_t>(outcome.result.size()),
                                  .work = work.work,
                                  .work_without_reuse = work.work_without_reuse,
                                  .session = session_}));
}

void Crew::note_stage(const std::string& stage, double seconds) {
  session_record_.stage_seconds.emplace_back(stage, seconds);
  session_record_.peak_bytes = peak_resident_bytes();
  records_.put(RecordKind::session, session_key(session_), encode(session_record_));
}

Findings run_stages(Crew& crew, const Stages& stages) {
  check_stages(stages);
  Findings findings;
  RecordStore& records = crew.records();
  for (const auto& stage : stages) {
    const auto start = std::chrono::steady_clock::now();
    const std::string name(name_of(stage->id()));
    stage->prepare(findings, records, crew.progress());
    std::vector<Piece> missing = stage->missing(findings, records, crew.ranks());
    const bool has_work = !missing.empty();
    crew.run(name, std::move(missing));
    stage->read(records, findings);
    if (std::optional<Bytes> state = stage->state(findings)) crew.set_state(*std::move(state));
    stage->conclude(findings, records);
    if (has_work) crew.note_stage(name, seconds_since(start));
  }
  return findings;
}

RunResults::Ledger ledger_of(const RecordStore& records) {
  RunResults::Ledger ledger;
  for (const auto& [key, bytes] : records.all(RecordKind::task_time)) {
    ledger.tasks.push_back(decode_task_time(*bytes, "ledger record " + key));
    ledger.work_done += ledger.tasks.back().work;
    ledger.work_without_reuse += ledger.tasks.back().work_without_reuse;
  }
  for (const auto& [key, bytes] : records.all(RecordKind::session)) {
    const SessionRecord session = decode_session(*bytes, "session record " + key);
    ledger.ranks = session.ranks;
    ledger.peak_bytes = std::max(ledger.peak_bytes, session.peak_bytes);
    for (const auto& [stage, seconds] : session.stage_seconds) {
      const auto at =
          std::ranges::find(ledger.stage_seconds, stage, &std::pair<std::string, double>::first);
      if (at == ledger.stage_seconds.end()) {
        ledger.stage_seconds.emplace_back(stage, seconds);
      } else {
        at->second += seconds;
      }
    }
  }
  return ledger;
}

}  // namespace qsweep
