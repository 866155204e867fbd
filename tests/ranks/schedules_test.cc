#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/random.h"

#include "ranks/sim/sim_cluster.h"

namespace qsweep {
namespace {

constexpr double kLongest = 5.0;  ///< seconds of one task, on a rank of speed 1

/// A cluster, its work and its faults, all drawn from one seed.
struct Schedule {
  SimOptions options;
  std::vector<Task> tasks;
  std::vector<double> speed;

  explicit Schedule(std::uint64_t seed) {
    Random random(seed, 17);
    options.ranks = 1 + static_cast<int>(random.below(9));
    options.seed = seed;
    options.delay_s = random.below(4) == 0 ? 0.5 : 0.001;
    options.coordinator.queue_depth = 1 + static_cast<int>(random.below(3));
    options.coordinator.fingerprint = "sim";
    const std::uint64_t tasks_wanted = random.below(60);
    for (std::uint64_t t = 0; t < tasks_wanted; ++t) {
      ByteWriter payload;
      payload.u64(t);
      // Kind of task: 0 fails everywhere, 1 fails on even ranks, else works.
      payload.u64(random.below(20));
      tasks.push_back({.payload = payload.take(), .cost = random.uniform()});
    }
    for (int r = 0; r < options.ranks; ++r) speed.push_back(0.2 + random.uniform());
    for (int r = 0; r < options.ranks; ++r) {
      const std::uint64_t fate = random.below(6);
      if (fate == 0 && r > 0) options.faults.push_back({r, 60.0 * random.uniform()});
      if (fate == 1)
        options.faults.push_back({r, 60.0 * random.uniform(), 90.0 * random.uniform()});
    }
  }

  /// The result of a task is a function of the task alone.
  static Bytes result(std::uint64_t task) {
    ByteWriter out;
    out.u64(task * 31 + 7);
    return out.take();
  }

  Computed compute(int rank, const Job& job) const {
    ByteReader in(job.payload.view(), "task");
    const std::uint64_t task = in.u64();
    const std::uint64_t kind = in.u64();
    const double seconds =
        kLongest * tasks[task].cost / speed[static_cast<std::size_t>(rank)] + 1e-3;
    if (kind == 0 || (kind == 1 && rank % 2 == 0))
      return {
          .ok = false, .error = fmt::format("task {} on rank {}", task, rank), .seconds = seconds};
    return {.ok = true, .result = result(task), .seconds = seconds};
  }
};

struct Trace {
  std::string text;  ///< what happened, for comparisons
  double end_s = 0.0;
  std::map<std::size_t, TaskOutcome> outcomes;
};

/// Plays a schedule to its end and checks what must hold whatever happens.
Trace play(const Schedule& s, double stop_s = kNever) {
  Trace trace;
  SimCluster cluster(s.options, [&](int rank, const Job& job) { return s.compute(rank, job); });
  const bool complete = cluster.run(
      s.tasks,
      [&](const TaskOutcome& o) {
        EXPECT_TRUE(trace.outcomes.emplace(o.task, o).second) << "task " << o.task << " came twice";
        trace.text += fmt::format("{:.6f} {} {} {}\n", cluster.now(), o.task, o.rank, o.ok);
      },
      [&] { return cluster.now() >= stop_s; });
  trace.end_s = cluster.now();
  cluster.shutdown();
  EXPECT_EQ(complete, trace.outcomes.size() == s.tasks.size());
  EXPECT_TRUE(complete || stop_s < kNever);
  for (const auto& [task, o] : trace.outcomes) {
    ByteReader in(s.tasks[task].payload, "task");
    (void)in.u64();
    const std::uint64_t kind = in.u64();
    if (o.ok) {
      EXPECT_EQ(o.result, Schedule::result(task));
      EXPECT_NE(kind, 0u);
    } else if (kind > 1) {
      // Only losses can fail a good task, and there must have been three.
      EXPECT_EQ(o.error, "3 ranks were lost while they computed it");
      EXPECT_GE(cluster.lost_ranks(), 3);
    }
  }
  for (int r = 0; r < s.options.ranks; ++r) {
    const bool has_fault = std::any_of(s.options.faults.begin(), s.options.faults.end(),
                                       [&](const SimFault& f) { return f.rank == r; });
    EXPECT_TRUE(has_fault || !cluster.ranks()[static_cast<std::size_t>(r)].lost) << "rank " << r;
    EXPECT_TRUE(cluster.is_dead(r) || cluster.phase(r) != WorkerState::Phase::serving)
        << "rank " << r;
  }
  return trace;
}

TEST(SchedulesTest, thousands_of_schedules_with_deaths_stalls_and_failures_all_finish) {
  std::int64_t disturbed = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const Schedule s(seed);
    const Trace trace = play(s);
    disturbed += std::any_of(s.options.faults.begin(), s.options.faults.end(),
                             [&](const SimFault& f) { return f.at_s < trace.end_s; });
    if (HasFailure()) return;
  }
  EXPECT_GT(disturbed, 1000);  // else the schedules test nothing
}

TEST(SchedulesTest, stopping_at_any_time_ends_soon_and_reports_nothing_twice) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const Schedule s(seed);
    const double stop_s = 40.0 * Random(seed, 3).uniform();
    const Trace trace = play(s, stop_s);
    // One task on the slowest rank, a stall of rank 0, and then one of another rank.
    EXPECT_LT(trace.end_s, stop_s + kLongest / 0.2 + 2 * 90.0);
    if (HasFailure()) return;
  }
}

/// What a rank makes of a configuration in a random cluster.
enum class Answer { applies, fails, differs, dies };

/// Configures a random cluster three times, with deaths, stalls and slow ranks, and runs its tasks
/// when that succeeds.
class Configuring {
 public:
  explicit Configuring(std::uint64_t seed)
      : schedule_(seed),
        random_(seed, 31),
        broken_(schedule_.speed.size()),
        cluster_(schedule_.options, [this](int rank, const Job& job) { return work(rank, job); }) {}

  void play() {
    for (std::uint64_t turn = 0; turn < 3; ++turn) {
      const bool may_leave_out = random_.below(2) == 0;
      asked_.clear();
      computed_ = false;
      ByteWriter state;
      state.u64(random_.below(4));  // how many in 20 ranks have trouble
      try {
        EXPECT_TRUE(cluster_.configure(state.take(),
                                       may_leave_out ? OnFailure::leave_out : OnFailure::end_run));
        check_members(may_leave_out);
        EXPECT_TRUE(cluster_.run(schedule_.tasks, [](const TaskOutcome&) {}));
        ++runs;
      } catch (const Error& e) {
        EXPECT_FALSE(computed_) << "a failed configuration ends the run before any work";
        EXPECT_THROW(cluster_.run(schedule_.tasks, [](const TaskOutcome&) {}), Error);
        EXPECT_FALSE(computed_);
        check_error(e, may_leave_out);
        ++errors;
      }
    }
    cluster_.shutdown();
  }

  int runs = 0;
  int errors = 0;

 private:
  std::optional<Computed> work(int rank, const Job& job) {
    if (!job.is_configure) {
      // A rank that was given up may still have tasks of an earlier run.
      if (!cluster_.ranks()[static_cast<std::size_t>(rank)].lost) computed_ = true;
      EXPECT_FALSE(broken_[static_cast<std::size_t>(rank)]) << "rank " << rank;
      return schedule_.compute(rank, job);
    }
    const std::uint64_t troubled = ByteReader(job.payload.view(), "state").u64();
    Answer answer = Answer::applies;
    if (random_.below(20) < troubled) answer = static_cast<Answer>(1 + random_.below(3));
    if (rank == 0 && answer == Answer::dies) answer = Answer::fails;
    asked_[rank] = answer;
    broken_[static_cast<std::size_t>(rank)] = answer != Answer::applies;
    const double seconds = random_.below(3) == 0 ? 100.0 * random_.uniform() : 0.01;
    switch (answer) {
      case Answer::applies:
        return Computed{.ok = true, .seconds = seconds};
      case Answer::fails:
        return Computed{.error = "no", .seconds = seconds, .code = ErrorCode::io};
      case Answer::differs:
        return Computed{.error = "other", .seconds = seconds, .code = ErrorCode::mismatch};
      case Answer::dies:
        break;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool takes_part(int rank) const {
    const RankReport report = cluster_.ranks()[static_cast<std::size_t>(rank)];
    return !report.lost && !report.left_out;
  }

  /// All who are left have applied it; left out is only who failed, and only when that was asked.
  void check_members(bool may_leave_out) {
    for (const auto& [rank, answer] : asked_) {
      if (takes_part(rank)) {
        EXPECT_EQ(answer, Answer::applies) << "rank " << rank;
      } else if (cluster_.ranks()[static_cast<std::size_t>(rank)].left_out) {
        EXPECT_EQ(answer, Answer::fails) << "rank " << rank;
        EXPECT_TRUE(may_leave_out);
      }
    }
  }

  /// Some rank deserved the error.
  void check_error(const Error& error, bool may_leave_out) {
    bool differs = false;
    bool fails = false;
    for (const auto& [rank, answer] : asked_) {
      if (!takes_part(rank)) continue;
      differs = differs || answer == Answer::differs;
      fails = fails || (answer == Answer::fails && (rank == 0 || !may_leave_out));
    }
    EXPECT_TRUE(differs || fails) << error.what();
    EXPECT_EQ(error.code(), differs ? ErrorCode::mismatch : ErrorCode::io);
  }

  Schedule schedule_;
  Random random_;
  std::vector<bool> broken_;  ///< by rank: its last configuration failed
  std::map<int, Answer> asked_;
  bool computed_ = false;  ///< a task of the last run
  SimCluster cluster_;
};

TEST(SchedulesTest, a_rank_that_is_not_configured_never_computes_whatever_happens) {
  int runs = 0;
  int errors = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Configuring configuring(seed);
    configuring.play();
    runs += configuring.runs;
    errors += configuring.errors;
    if (HasFailure()) return;
  }
  EXPECT_GT(runs, 1000);  // else the schedules test nothing
  EXPECT_GT(errors, 500);
}

TEST(SchedulesTest, equal_seeds_give_equal_runs) {
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    EXPECT_EQ(play(Schedule(seed)).text, play(Schedule(seed)).text);
}

TEST(SchedulesTest, ranks_share_the_work_evenly) {
  // 64 ranks, 2000 tasks of 0.2 to 5 s: no rank may idle for long at the end.
  std::vector<Task> tasks;
  double total = 0.0;
  for (int i = 0; i < 2000; ++i) {
    ByteWriter out;
    const double seconds = 0.2 + 4.8 * Random(5, static_cast<std::uint64_t>(i)).uniform();
    out.f64(seconds);
    tasks.push_back({.payload = out.take(), .cost = seconds});
    total += seconds;
  }
  SimCluster cluster({.ranks = 64, .seed = 5}, [](int, const Job& job) {
    return Computed{.ok = true, .seconds = ByteReader(job.payload.view(), "task").f64()};
  });
  EXPECT_TRUE(cluster.run(tasks, [](const TaskOutcome&) {}));
  EXPECT_LT(cluster.now(), 1.03 * total / 64);
}

}  // namespace
}  // namespace qsweep
