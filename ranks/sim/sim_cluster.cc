#include "ranks/sim/sim_cluster.h"

#include <algorithm>
#include <queue>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/random.h"

#include "ranks/coordinator_state.h"

namespace qsweep {
namespace {

/// Something that happens to a rank at a time. Events of one time happen in the order they were
/// made.
struct Event {
  enum class Kind { tick, to_coordinator, to_worker, computed };
  double at_s = 0.0;
  std::uint64_t order = 0;
  Kind kind = Kind::tick;
  int rank = 0;
  Message message{};
  Computed computed{};
};

struct Later {
  bool operator()(const Event& a, const Event& b) const {
    return std::pair(a.at_s, a.order) > std::pair(b.at_s, b.order);
  }
};

struct SimRank {
  WorkerState worker;
  double died_s = kNever;
  bool forgets_sent = false;      ///< what is under way when it dies is lost
  double last_to_rank_s = 0.0;    ///< arrival of the last message 0 -> rank: pairs stay in order
  double last_from_rank_s = 0.0;  ///< and rank -> 0
};

}  // namespace

struct SimCluster::Impl {
  SimOptions options;
  SimWork work;
  Random random;
  double now = 0.0;
  std::uint64_t order = 0;
  std::uint64_t delivered = 0;
  std::priority_queue<Event, std::vector<Event>, Later> events;
  CoordinatorState coordinator;
  std::vector<SimRank> ranks;

  Impl(SimOptions o, SimWork w)
      : options(std::move(o)),
        work(std::move(w)),
        random(options.seed),
        coordinator(options.ranks, options.coordinator, 0.0) {
    for (int r = 0; r < options.ranks; ++r) {
      ranks.push_back({.worker = WorkerState(options.coordinator, 0.0,
                                             fmt::format("node{}", r / options.ranks_per_host)),
                       .forgets_sent = random.below(2) == 0});
      add({.kind = Event::Kind::tick, .rank = r}, tick_s() * random.uniform());
    }
    for (const SimFault& f : options.faults) {
      QSWEEP_CHECK(f.rank > 0 || f.for_s < kNever);
      if (f.for_s == kNever) rank(f.rank).died_s = std::min(rank(f.rank).died_s, f.at_s);
    }
    for (int r = 0; r < options.ranks; ++r) settle(r);
  }

  SimRank& rank(int r) { return ranks.at(static_cast<std::size_t>(r)); }
  [[nodiscard]] double tick_s() const { return options.coordinator.heartbeat_s / 4; }
  [[nodiscard]] bool is_dead(int r) { return rank(r).died_s <= now; }

  void add(Event event, double at_s) {
    event.at_s = at_s;
    event.order = order++;
    events.push(std::move(event));
  }

  /// Arrival of a message sent now, not before the last one of its pair; a rank's own are at once.
  double arrival(int r, double& last_s) {
    if (r == 0) return now;
    last_s = std::max(last_s, now + 2.0 * options.delay_s * random.uniform());
    return last_s;
  }

  static Message in_memory(int from, message::Envelope e) {
    return {.from = from, .kind = e.kind, .payload = std::move(e.payload), .is_in_memory = true};
  }

  /// Puts what a rank's state machines want done into the queue.
  void settle(int r) {
    if (is_dead(r)) return;
    WorkerState& worker = rank(r).worker;
    if (auto job = worker.next_job()) {
      if (auto computed = work(r, *job)) {
        const double seconds = computed->seconds;
        add({.kind = Event::Kind::computed, .rank = r, .computed = std::move(*computed)},
            now + seconds);
      } else {
        QSWEEP_CHECK(r != 0);
        rank(r).died_s = now;
      }
    }
    for (message::Envelope& e : worker.take_sends())
      add({.kind = Event::Kind::to_coordinator, .rank = 0, .message = in_memory(r, std::move(e))},
          arrival(r, rank(r).last_from_rank_s));
    if (r != 0) return;
    for (message::Envelope& e : coordinator.take_sends()) {
      const int to = e.to;
      add({.kind = Event::Kind::to_worker, .rank = to, .message = in_memory(0, std::move(e))},
          arrival(to, rank(to).last_to_rank_s));
    }
  }

  /// The end of the stall that `r` is in now, or `now`.
  [[nodiscard]] double awake_s(int r) const {
    double awake = now;
    for (const SimFault& f : options.faults) {
      if (f.rank == r && f.at_s <= now && now < f.at_s + f.for_s)
        awake = std::max(awake, f.at_s + f.for_s);
    }
    return awake;
  }

  void step() {
    QSWEEP_CHECK(!events.empty());
    Event e = events.top();
    events.pop();
    now = e.at_s;
    if (now > options.limit_s)
      throw Error(ErrorCode::internal, fmt::format("the simulated run exceeds {} s", now));
    if (is_dead(e.rank)) return;
    if (const double awake = awake_s(e.rank); awake > now) {
      add(std::move(e), awake);
      return;
    }
    handle(std::move(e));
  }

  void handle(Event e) {
    SimRank& r = rank(e.rank);
    switch (e.kind) {
      case Event::Kind::tick:
        if (r.worker.phase() != WorkerState::Phase::serving) return;
        add({.kind = Event::Kind::tick, .rank = e.rank}, now + tick_s());
        if (e.rank == 0) {
          coordinator.on_tick(now);  // may throw; the clock goes on
        } else {
          r.worker.on_tick(now);
        }
        break;
      case Event::Kind::to_coordinator:
        if (is_dead(e.message.from) && rank(e.message.from).forgets_sent) return;
        ++delivered;
        coordinator.on_message(e.message, now);
        break;
      case Event::Kind::to_worker:
        if (r.worker.phase() != WorkerState::Phase::serving) return;
        ++delivered;
        r.worker.on_message(e.message, now);
        break;
      case Event::Kind::computed:
        r.worker.on_finished(std::move(e.computed), now);
        break;
    }
    settle(e.rank);
  }

  [[nodiscard]] bool anyone_serves() {
    for (int r = 0; r < options.ranks; ++r) {
      if (!is_dead(r) && rank(r).worker.phase() == WorkerState::Phase::serving) return true;
    }
    return false;
  }
};

SimCluster::SimCluster(SimOptions options, SimWork work)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(work))) {}

SimCluster::~SimCluster() = default;

bool SimCluster::configure(const Bytes& state,
                           OnFailure on_failure,
                           const std::function<bool()>& stop) {
  impl_->coordinator.configure(state, on_failure);
  for (;;) {
    impl_->settle(0);
    if (impl_->coordinator.is_configured()) return true;
    if (stop && stop()) return false;
    impl_->step();
  }
}

bool SimCluster::run(const std::vector<Task>& tasks,
                     const std::function<void(const TaskOutcome&)>& report,
                     const std::function<bool()>& stop) {
  CoordinatorState& coordinator = impl_->coordinator;
  coordinator.begin(tasks, impl_->now);
  for (;;) {
    if (stop && stop()) coordinator.stop();
    impl_->settle(0);
    for (const TaskOutcome& outcome : coordinator.take_outcomes()) report(outcome);
    if (coordinator.is_done()) return coordinator.is_complete();
    impl_->step();
  }
}

void SimCluster::shutdown() {
  impl_->coordinator.leave();
  impl_->settle(0);
  while (impl_->anyone_serves()) impl_->step();
}

double SimCluster::now() const {
  return impl_->now;
}

std::vector<RankReport> SimCluster::ranks() const {
  return impl_->coordinator.ranks();
}

int SimCluster::lost_ranks() const {
  const std::vector<RankReport> reports = impl_->coordinator.ranks();
  return static_cast<int>(
      std::count_if(reports.begin(), reports.end(), [](const RankReport& r) { return r.lost; }));
}

WorkerState::Phase SimCluster::phase(int rank) const {
  return impl_->rank(rank).worker.phase();
}

bool SimCluster::is_dead(int rank) const {
  return impl_->is_dead(rank);
}

std::uint64_t SimCluster::messages() const {
  return impl_->delivered;
}

}  // namespace qsweep
