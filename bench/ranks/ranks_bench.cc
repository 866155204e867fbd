// What rank 0 pays for many ranks: configuring them, and choosing the next task for each.

#include <deque>
#include <vector>

#include <benchmark/benchmark.h>

#include "ranks/coordinator_state.h"
#include "ranks/sim/sim_cluster.h"

#include "bench/ranks/allocations.h"

namespace qsweep {
namespace {

constexpr int kRanks = 512;

/// A state to all ranks of a simulated cluster and one task on each, which needs it.
void configure(benchmark::State& state) {
  const Bytes model(static_cast<std::size_t>(state.range(0)) << 20, std::byte{7});
  const std::vector<Task> tasks(kRanks);
  std::size_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    {
      SimCluster cluster({.ranks = kRanks, .seed = 1},
                         [](int, const Job&) { return Computed{.ok = true, .seconds = 1e-3}; });
      const std::size_t before = bench::allocated_bytes();
      state.ResumeTiming();
      (void)cluster.configure(model);
      if (!cluster.run(tasks, [](const TaskOutcome&) {})) state.SkipWithError("stopped");
      state.PauseTiming();
      bytes += bench::allocated_bytes() - before;
    }
    state.ResumeTiming();
  }
  state.counters["MiB_allocated"] = benchmark::Counter(static_cast<double>(bytes) / (1 << 20),
                                                       benchmark::Counter::kAvgIterations);
}

/// One outcome after another of a run over many tasks: from the message to the next task given.
/// @param state.range(0) tasks; range(1) tasks of one group, 0 for tasks of no group
void outcome(benchmark::State& state) {
  std::vector<Task> tasks(static_cast<std::size_t>(state.range(0)));
  if (const auto members = state.range(1); members > 0) {
    for (std::size_t t = 0; t < tasks.size(); ++t)
      tasks[t].group = static_cast<std::int64_t>(t) / members;
  }
  CoordinatorState coordinator(kRanks, {}, 0.0);
  for (int r = 0; r < kRanks; ++r) {
    WorkerState worker({}, 0.0);
    for (message::Envelope& e : worker.take_sends())
      coordinator.on_message({.from = r, .kind = e.kind, .payload = std::move(e.payload)}, 0.0);
  }
  coordinator.begin(tasks, 0.0);
  std::deque<Message> answers;
  const auto answer_all = [&] {
    for (const message::Envelope& e : coordinator.take_sends()) {
      if (e.kind != message::task) continue;
      const auto task = message::decode_task({.from = 0, .kind = e.kind, .payload = e.payload});
      answers.push_back({.from = e.to,
                         .kind = message::outcome,
                         .payload = message::encode_outcome(
                             {.round = task.round, .index = task.index, .ok = true})});
    }
  };
  answer_all();
  for (auto _ : state) {
    if (answers.empty()) {
      state.SkipWithError("no more tasks");
      break;
    }
    coordinator.on_message(answers.front(), 0.0);
    answers.pop_front();
    answer_all();
    benchmark::DoNotOptimize(coordinator.take_outcomes());
  }
}

BENCHMARK(configure)->Arg(0)->Arg(2)->Unit(benchmark::kMillisecond)->Iterations(5)->Repetitions(5);
// Few enough iterations for tasks to be waiting still at the last one.
BENCHMARK(outcome)
    ->ArgsProduct({{100'000}, {0, 10, 100, 1000}})
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(2000);
BENCHMARK(outcome)->ArgsProduct({{1000}, {0, 10}})->Unit(benchmark::kMicrosecond)->Iterations(400);

}  // namespace
}  // namespace qsweep
