#include "ranks/coordinator.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"

#include "ranks/compute_thread.h"
#include "ranks/messages.h"

namespace qsweep {
namespace {

constexpr std::chrono::microseconds kPoll{1000};
/// With one rank nothing but the own compute thread can wake us.
constexpr std::chrono::microseconds kAlonePoll{20000};

}  // namespace

struct Coordinator::Impl {
  struct Rank {
    bool ready = false;  ///< said hello (rank 0: always)
    bool lost = false;
    double last_heard = 0.0;
    std::set<std::size_t> held;  ///< tasks it has and has not answered
    std::int64_t tasks = 0;
    double busy_s = 0.0;
  };
  struct TaskState {
    bool done = false;
    int attempts = 0;
    std::set<int> failed_on;
    double start_s = 0.0;
  };

  Transport& transport;
  CoordinatorOptions options;
  ComputeThread local;
  std::vector<Rank> ranks;
  std::uint64_t round = 0;
  double origin;
  bool left = false;

  // State of the run in progress.
  const std::vector<Task>* tasks = nullptr;
  std::vector<TaskState> states;
  std::deque<std::size_t> waiting;
  std::size_t open = 0;  ///< tasks without an outcome
  const std::function<void(const TaskOutcome&)>* report = nullptr;

  Impl(Transport& t, TaskHandler& handler, CoordinatorOptions o)
      : transport(t),
        options(std::move(o)),
        local(handler),
        ranks(static_cast<std::size_t>(t.size())),
        origin(t.now()) {
    ranks[0].ready = true;
    for (Rank& r : ranks) r.last_heard = origin;
  }

  [[nodiscard]] std::size_t live_ranks() const {
    return static_cast<std::size_t>(std::count_if(
        ranks.begin(), ranks.end(), [](const Rank& r) { return r.ready && !r.lost; }));
  }

  /// The next task this rank may try: not one that failed on it while another rank could.
  std::deque<std::size_t>::iterator next_for(int rank) {
    const bool others = live_ranks() > 1;
    return std::find_if(waiting.begin(), waiting.end(), [&](std::size_t t) {
      return !others || !states[t].failed_on.contains(rank);
    });
  }

  void assign() {
    // Second tasks are handed out only while there are enough for everyone, so the tail is spread
    // thin.
    for (int depth = 1; depth <= options.queue_depth; ++depth) {
      for (std::size_t r = 0; r < ranks.size(); ++r) {
        Rank& rank = ranks[r];
        if (!rank.ready || rank.lost || static_cast<int>(rank.held.size()) >= depth) continue;
        if (depth > 1 && waiting.size() <= live_ranks()) return;
        const auto at = next_for(static_cast<int>(r));
        if (at == waiting.end()) continue;
        const std::size_t t = *at;
        waiting.erase(at);
        give(static_cast<int>(r), t);
      }
    }
  }

  void give(int rank, std::size_t t) {
    ranks[static_cast<std::size_t>(rank)].held.insert(t);
    states[t].start_s = transport.now() - origin;
    const Bytes& payload = (*tasks)[t].payload;
    if (rank == 0) {
      local.start(round, t, payload);
    } else {
      transport.send(rank, message::task, message::TaskMessage{round, t, payload}.encode());
    }
  }

  void finish(int rank, message::OutcomeMessage&& m) {
    Rank& r = ranks[static_cast<std::size_t>(rank)];
    if (m.round != round || m.index >= states.size()) return;  // a leftover of an earlier run()
    const auto t = static_cast<std::size_t>(m.index);
    r.held.erase(t);
    ++r.tasks;
    r.busy_s += m.seconds;
    TaskState& state = states[t];
    if (state.done) return;  // reissued after a rank fell silent, and both answered
    ++state.attempts;
    if (!m.ok) {
      state.failed_on.insert(rank);
      if (state.attempts < options.max_attempts) {
        log_info(fmt::format("task {} failed on rank {}, trying again: {}", t, rank, m.error));
        waiting.push_back(t);
        return;
      }
    }
    state.done = true;
    --open;
    (*report)({.task = t,
               .ok = m.ok,
               .result = std::move(m.result),
               .error = std::move(m.error),
               .rank = rank,
               .attempts = state.attempts,
               .start_s = state.start_s,
               .seconds = m.seconds});
  }

  void handle(Message&& m) {
    Rank& rank = ranks.at(static_cast<std::size_t>(m.from));
    rank.last_heard = transport.now();
    switch (m.kind) {
      case message::hello:
        if (as_text(m.payload) != options.fingerprint) {
          throw Error(ErrorCode::mismatch,
                      fmt::format("rank {} runs another qsweep: '{}' instead of '{}'", m.from,
                                  as_text(m.payload), options.fingerprint),
                      {}, "Start every rank from the same binary on like machines");
        }
        rank.ready = true;
        break;
      case message::outcome:
        if (!rank.lost) finish(m.from, message::OutcomeMessage::decode(m.payload));
        break;
      case message::heartbeat:
        break;
      default:
        throw Error(ErrorCode::internal, "the coordinator received a message that is not for it");
    }
  }

  void give_up_silent_ranks() {
    const double now = transport.now();
    for (std::size_t r = 1; r < ranks.size(); ++r) {
      Rank& rank = ranks[r];
      if (rank.lost || now - rank.last_heard < options.dead_after_s) continue;
      rank.lost = true;
      transport.give_up(static_cast<int>(r));
      log_warning(fmt::format(
          "rank {} has been silent for {:.0f} s and is given up; {} task(s) go to others", r,
          now - rank.last_heard, rank.held.size()));
      for (std::size_t t : rank.held) {
        if (!states[t].done) waiting.push_front(t);
      }
      rank.held.clear();
    }
  }

  [[nodiscard]] bool anything_running() const {
    return std::any_of(ranks.begin(), ranks.end(), [](const Rank& r) { return !r.held.empty(); });
  }

  void step() {
    const bool alone = ranks.size() == 1;
    if (!alone) {
      if (auto m = transport.receive(kPoll)) handle(std::move(*m));
    }
    while (auto outcome = local.finished(alone ? kAlonePoll : std::chrono::microseconds(0))) {
      finish(0, std::move(*outcome));
      if (alone) break;
    }
    give_up_silent_ranks();
  }
};

Coordinator::Coordinator(Transport& transport, TaskHandler& local, CoordinatorOptions options)
    : impl_(std::make_unique<Impl>(transport, local, std::move(options))) {
  QSWEEP_CHECK(transport.rank() == 0);
}

Coordinator::~Coordinator() {
  try {
    shutdown();
  } catch (const std::exception& e) {
    log_warning(fmt::format("telling the ranks to leave failed: {}", e.what()));
  }
}

void Coordinator::configure(const Bytes& state) {
  impl_->local.configure(state);
  for (int r = 1; r < impl_->transport.size(); ++r) {
    if (!impl_->ranks[static_cast<std::size_t>(r)].lost)
      impl_->transport.send(r, message::configure, state);
  }
}

bool Coordinator::run(const std::vector<Task>& tasks,
                      const std::function<void(const TaskOutcome&)>& report,
                      const std::atomic<bool>& stop) {
  Impl& s = *impl_;
  ++s.round;
  s.tasks = &tasks;
  s.report = &report;
  s.states.assign(tasks.size(), {});
  s.open = tasks.size();
  std::vector<std::size_t> order(tasks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return tasks[a].cost > tasks[b].cost; });
  s.waiting.assign(order.begin(), order.end());
  for (Impl::Rank& r : s.ranks) {
    r.held.clear();
    r.last_heard = s.transport.now();  // nobody listened between runs
  }
  while (s.open > 0) {
    if (!stop) {
      s.assign();
    } else if (!s.anything_running()) {
      return false;
    }
    s.step();
  }
  return true;
}

void Coordinator::shutdown() {
  if (std::exchange(impl_->left, true)) return;
  for (int r = 1; r < impl_->transport.size(); ++r) {
    if (!impl_->ranks[static_cast<std::size_t>(r)].lost)
      impl_->transport.send(r, message::leave, {});
  }
}

std::vector<RankReport> Coordinator::ranks() const {
  std::vector<RankReport> reports;
  for (std::size_t r = 0; r < impl_->ranks.size(); ++r) {
    const Impl::Rank& rank = impl_->ranks[r];
    reports.push_back({.rank = static_cast<int>(r),
                       .lost = rank.lost,
                       .tasks = rank.tasks,
                       .busy_s = rank.busy_s});
  }
  return reports;
}

int Coordinator::lost_ranks() const {
  return static_cast<int>(std::count_if(impl_->ranks.begin(), impl_->ranks.end(),
                                        [](const Impl::Rank& r) { return r.lost; }));
}

}  // namespace qsweep
