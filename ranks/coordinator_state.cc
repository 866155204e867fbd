#include "ranks/coordinator_state.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/error.h"
#include "src/base/log.h"

namespace qsweep {
namespace {

/// A task under which this many ranks were lost is more likely their cause than their victim.
constexpr int kMaxLosses = 3;

}  // namespace

CoordinatorState::CoordinatorState(int ranks, const CoordinatorOptions& options, double now)
    : options_(options),
      origin_(now),
      now_(now),
      last_tick_(now),
      last_heartbeat_(now),
      ranks_(static_cast<std::size_t>(ranks), Rank{.silence = Silence(options.heartbeat_s)}) {}

void CoordinatorState::configure(ByteView state) {
  if (state.size() > message::kMaxBodyBytes)
    throw Error(
        ErrorCode::resource,
        fmt::format("the state of {} bytes is too large to send to the ranks", state.size()));
  for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
    if (!rank(r).is_lost) send(r, message::configure, message::encode_configure(state));
  }
}

void CoordinatorState::begin(std::span<const Task> tasks, double now) {
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].payload.size() > message::kMaxBodyBytes)
      throw Error(ErrorCode::resource,
                  fmt::format("task {} of {} bytes is too large to send to a rank", t,
                              tasks[t].payload.size()));
  }
  now_ = now;
  ++round_;
  is_stopping_ = false;
  tasks_ = tasks;
  states_.assign(tasks.size(), {});
  open_ = tasks.size();
  waiting_.resize(tasks.size());
  std::iota(waiting_.begin(), waiting_.end(), std::size_t{0});
  std::stable_sort(waiting_.begin(), waiting_.end(),
                   [&](std::size_t a, std::size_t b) { return tasks[a].cost > tasks[b].cost; });
  for (Rank& r : ranks_) r.held.clear();
  assign();
}

void CoordinatorState::stop() {
  if (std::exchange(is_stopping_, true)) return;
  for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
    if (rank(r).held.empty()) continue;
    rank(r).is_draining = true;
    send(r, message::drain, message::encode_empty(message::drain));
  }
}

void CoordinatorState::on_message(const Message& m, double now) {
  now_ = now;
  Rank& from = rank(m.from);
  from.silence.heard();
  try {
    switch (m.kind) {
      case message::hello:
        from.fingerprint = message::decode_hello(m);
        from.has_said_hello = true;
        if (from.fingerprint != options_.fingerprint) break;
        if (!from.is_ready && !from.is_lost) ++working_;
        from.is_ready = true;
        break;
      case message::outcome:
        on_outcome(m.from, message::decode_outcome(m));
        break;
      case message::drained:
        message::decode_empty(m);
        from.is_draining = false;
        from.held.clear();
        break;
      case message::heartbeat:
        message::decode_empty(m);
        break;
      default:
        throw Error(ErrorCode::corrupt_input,
                    fmt::format("kind {} is not for the coordinator", static_cast<int>(m.kind)));
    }
  } catch (const Error& e) {
    // A rank that talks nonsense is as good as a dead one. Our own rank must not.
    if (m.from == 0) throw;
    give_up(m.from, e.what());
  }
  // A rank that was given up and lives after all is not waited for again; it may go.
  if (from.is_lost && !std::exchange(from.is_told_to_leave, true))
    send(m.from, message::leave, message::encode_leave({m.from}));
  assign();
}

void CoordinatorState::on_tick(double now) {
  now_ = now;
  const double gap = now - std::exchange(last_tick_, now);
  for (int r = 1; r < static_cast<int>(ranks_.size()); ++r) {
    Silence& silence = rank(r).silence;
    silence.looked(gap);
    if (silence.seconds() >= options_.dead_after_s)
      give_up(r, fmt::format("it has been silent for {:.0f} s", silence.seconds()));
  }
  if (now - last_heartbeat_ >= options_.heartbeat_s) {
    last_heartbeat_ = now;
    for (int r = 1; r < static_cast<int>(ranks_.size()); ++r) {
      if (!rank(r).is_lost) send(r, message::heartbeat, message::encode_empty(message::heartbeat));
    }
  }
  check_fingerprints();
}

void CoordinatorState::give_up(int r, const std::string& reason) {
  Rank& lost = rank(r);
  if (r == 0 || lost.is_lost) return;
  lost.is_lost = true;
  lost.is_draining = false;
  if (lost.is_ready) --working_;
  given_up_.push_back(r);
  const std::deque<std::size_t> held = std::exchange(lost.held, {});
  log_warning(
      fmt::format("rank {} is given up: {}; {} task(s) go to other ranks", r, reason, held.size()));
  for (auto at = held.rbegin(); at != held.rend(); ++at) {
    TaskState& state = states_[*at];
    if (state.is_done) continue;
    waiting_.push_front(*at);
  }
  if (!held.empty() && !states_[held.front()].is_done) {
    // The first one was being computed, and may be what killed the rank: others before rank 0.
    const std::size_t suspect = held.front();
    TaskState& state = states_[suspect];
    ++state.losses;
    state.avoid.insert({0, r});
    if (state.losses == kMaxLosses) {
      waiting_.pop_front();
      settle(r, suspect,
             {.error = fmt::format("{} ranks were lost while they computed it", kMaxLosses)});
    }
  }
  assign();
}

void CoordinatorState::leave() {
  std::vector<int> lost;
  for (int r = 1; r < static_cast<int>(ranks_.size()); ++r) {
    if (rank(r).is_lost) lost.push_back(r);
  }
  for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
    if (!rank(r).is_lost) send(r, message::leave, message::encode_leave(lost));
  }
}

bool CoordinatorState::is_done() const {
  if (!is_stopping_) return open_ == 0;
  return std::none_of(ranks_.begin(), ranks_.end(), [](const Rank& r) { return r.is_draining; });
}

std::vector<message::Envelope> CoordinatorState::take_sends() {
  return std::exchange(sends_, {});
}

std::vector<TaskOutcome> CoordinatorState::take_outcomes() {
  return std::exchange(outcomes_, {});
}

std::vector<int> CoordinatorState::take_given_up() {
  return std::exchange(given_up_, {});
}

std::vector<RankReport> CoordinatorState::ranks() const {
  std::vector<RankReport> reports;
  for (std::size_t r = 0; r < ranks_.size(); ++r)
    reports.push_back({.rank = static_cast<int>(r),
                       .lost = ranks_[r].is_lost,
                       .tasks = ranks_[r].tasks,
                       .busy_s = ranks_[r].busy_s});
  return reports;
}

void CoordinatorState::send(int to, message::Kind kind, Bytes payload) {
  sends_.push_back({.to = to, .kind = kind, .payload = std::move(payload)});
}

/// Everyone gets a first task before anyone gets a second, and nobody gets a second near the end:
/// there it would wait behind a running one while other ranks idle.
void CoordinatorState::assign() {
  if (is_stopping_) return;
  for (int depth = 1; depth <= options_.queue_depth; ++depth) {
    for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
      if (waiting_.empty() || (depth > 1 && waiting_.size() <= working_)) return;
      if (!rank(r).works() || static_cast<int>(rank(r).held.size()) >= depth) continue;
      const std::size_t at = choose(r);
      if (at == waiting_.size()) continue;
      const std::size_t task = waiting_[at];
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
      give(r, task);
    }
  }
}

/// The first that is of the rank's own groups or of none; else of a group without a rank; else any.
std::size_t CoordinatorState::choose(int r) const {
  std::size_t homeless = waiting_.size();
  std::size_t other = waiting_.size();
  for (std::size_t at = 0; at < waiting_.size(); ++at) {
    if (!may_try(r, waiting_[at])) continue;
    const auto& group = tasks_[waiting_[at]].group;
    const auto home = group ? homes_.find(*group) : homes_.end();
    if (!group || (home != homes_.end() && home->second == r)) return at;
    const bool has_home =
        home != homes_.end() && !ranks_[static_cast<std::size_t>(home->second)].is_lost;
    std::size_t& first = has_home ? other : homeless;
    first = std::min(first, at);
  }
  return homeless < waiting_.size() ? homeless : other;
}

bool CoordinatorState::may_try(int r, std::size_t task) const {
  const std::set<int>& avoid = states_[task].avoid;
  if (!avoid.contains(r)) return true;
  // Ranks that are still starting count: silence gives them up soon enough.
  for (int other = 0; other < static_cast<int>(ranks_.size()); ++other) {
    const Rank& candidate = ranks_[static_cast<std::size_t>(other)];
    const bool may_come = !candidate.is_lost && !candidate.has_said_hello;
    if ((candidate.works() || may_come) && !avoid.contains(other)) return false;
  }
  return true;
}

void CoordinatorState::give(int r, std::size_t task) {
  rank(r).held.push_back(task);
  states_[task].start_s = now_ - origin_;
  if (const auto& group = tasks_[task].group) {
    const auto [home, is_new] = homes_.try_emplace(*group, r);
    if (!is_new && rank(home->second).is_lost) home->second = r;
  }
  send(r, message::task, message::encode_task(round_, task, tasks_[task].payload));
}

void CoordinatorState::on_outcome(int from, message::OutcomeMessage outcome) {
  if (outcome.round != round_ || outcome.index >= states_.size()) return;  // of an earlier run
  const auto task = static_cast<std::size_t>(outcome.index);
  Rank& r = rank(from);
  std::erase(r.held, task);
  TaskState& state = states_[task];
  // Another rank was faster after a reissue, or will decide in place of a rank that was given up.
  if (state.is_done || (r.is_lost && !outcome.ok)) return;
  ++r.tasks;
  r.busy_s += outcome.seconds;
  if (outcome.ok) {
    if (r.is_lost) std::erase(waiting_, task);  // its copy need not be computed
    settle(from, task, std::move(outcome));
    return;
  }
  ++state.failures;
  state.avoid.insert(from);
  if (state.failures >= options_.max_attempts) {
    settle(from, task, std::move(outcome));
    return;
  }
  log_info(
      fmt::format("task {} failed on rank {} and is tried again: {}", task, from, outcome.error));
  waiting_.push_back(task);
}

void CoordinatorState::settle(int r, std::size_t task, message::OutcomeMessage outcome) {
  TaskState& state = states_[task];
  state.is_done = true;
  --open_;
  outcomes_.push_back({.task = task,
                       .ok = outcome.ok,
                       .result = std::move(outcome.result),
                       .error = std::move(outcome.error),
                       .rank = r,
                       .attempts = state.failures + state.losses + (outcome.ok ? 1 : 0),
                       .start_s = state.start_s,
                       .seconds = outcome.seconds});
}

/// Once everyone has said hello or is lost, so that one message names all who differ.
void CoordinatorState::check_fingerprints() const {
  std::vector<std::string> others;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (ranks_[r].is_lost) continue;
    if (!ranks_[r].has_said_hello) return;
    if (!ranks_[r].is_ready) others.push_back(fmt::format("rank {}: {}", r, ranks_[r].fingerprint));
  }
  if (others.empty()) return;
  throw Error(ErrorCode::mismatch,
              fmt::format("not all ranks run the same program on the same kind of machine; "
                          "rank 0: {}; {}",
                          options_.fingerprint, fmt::join(others, "; ")),
              {}, "Start every rank from the same binary on like machines");
}

}  // namespace qsweep
