#include "sweep/run/crew.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace qsweep {

Crew::Crew(Transport& transport,
           std::shared_ptr<const Workload> workload,
           RecordStore& records,
           Progress& progress,
           const std::atomic<bool>& stop,
           CoordinatorOptions options,
           const std::filesystem::path& log_directory)
    : workload_(std::move(workload)),
      records_(records),
      progress_(progress),
      stop_(stop),
      evaluator_(0, transport.node_size(), workload_),
      coordinator_(transport, evaluator_, std::move(options)) {
  ledger_.ranks = transport.size();
  if (transport.size() > 1) {
    const std::string logs = transport.has_process() ? log_directory.string() : std::string();
    coordinator_.configure(Evaluator::open_job_message(*workload_, logs));
  }
}

void Crew::run_tasks(const std::string& stage,
                     const std::vector<Piece>& pieces,
                     const std::function<void(std::size_t, const Bytes&)>& done,
                     const std::function<void(std::size_t, const std::string&)>& failed) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Task> tasks;
  double total = 0.0;
  for (const Piece& p : pieces) {
    tasks.push_back(p.task);
    total += p.task.cost;
  }
  progress_.begin(stage, total);
  double finished = 0.0;
  std::size_t count = 0;
  const bool complete = coordinator_.run(
      tasks,
      [&](const TaskOutcome& outcome) {
        const Piece& piece = pieces.at(outcome.task);
        ledger_.tasks.push_back({.stage = stage,
                                 .key = piece.key,
                                 .rank = outcome.rank,
                                 .start_s = outcome.start_s,
                                 .seconds = outcome.seconds,
                                 .bytes = static_cast<std::int64_t>(outcome.result.size())});
        outcome.ok ? done(outcome.task, outcome.result) : failed(outcome.task, outcome.error);
        finished += piece.task.cost;
        progress_.advance(finished, fmt::format("{}/{} tasks", ++count, pieces.size()));
      },
      stop_);
  records_.sync();
  progress_.end();
  ledger_.stage_seconds.emplace_back(
      stage, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (!complete) throw Stopped();
}

void Crew::note_work(double work, double work_without_reuse) {
  ledger_.tasks.back().work = work;
  ledger_.tasks.back().work_without_reuse = work_without_reuse;
  ledger_.work_done += work;
  ledger_.work_without_reuse += work_without_reuse;
}

void Crew::set_ranges(const std::vector<TensorStats>& by_layer) {
  coordinator_.configure(Evaluator::ranges_message(by_layer));
}

void Crew::set_adaptations(const Adaptations& adaptations) {
  coordinator_.configure(Evaluator::adaptations_message(adaptations));
}

}  // namespace qsweep
