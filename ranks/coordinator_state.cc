#include "ranks/coordinator_state.h"

#include <algorithm>
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
      ranks_(static_cast<std::size_t>(ranks), Rank{.silence = Silence(options.heartbeat_s)}),
      waiting_(ranks) {}

void CoordinatorState::configure(ByteView state, OnFailure on_failure) {
  if (state.size() > message::kMaxBodyBytes)
    throw Error(
        ErrorCode::resource,
        fmt::format("the state of {} bytes is too large to send to the ranks", state.size()));
  ++configuration_;
  on_failure_ = on_failure;
  find_working();
  const Payload payload = message::encode_configure(configuration_, state);
  for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
    Rank& to = rank(r);
    if (!to.is_member()) continue;
    if (to.is_ready) {
      send(r, message::configure, payload);
    } else {
      to.owed.push_back(payload);
    }
  }
}

bool CoordinatorState::is_configured() const {
  return std::ranges::all_of(ranks_, [&](const Rank& r) {
    return !r.is_member() || (r.answered == configuration_ && !r.refusal);
  });
}

void CoordinatorState::begin(std::span<const Task> tasks, double now) {
  if (const std::vector<int> ranks = refusing(); !ranks.empty()) throw refusal_error(ranks);
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
  waiting_.begin(tasks);
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
        on_hello(from, m.from, message::decode_hello(m));
        break;
      case message::configured: {
        message::ConfiguredMessage answer = message::decode_configured(m);
        if (answer.number != configuration_) break;  // a later one is under way
        from.answered = answer.number;
        from.refusal = std::move(answer.refusal);
        find_working();
        break;
      }
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
  check_configuration();
}

void CoordinatorState::give_up(int r, const std::string& reason) {
  Rank& lost = rank(r);
  if (r == 0 || lost.is_lost) return;
  lost.is_lost = true;
  lost.is_draining = false;
  lost.owed.clear();
  find_working();
  waiting_.forget_home(r);
  given_up_.push_back(r);
  const std::deque<std::size_t> held = std::exchange(lost.held, {});
  log_warning(
      fmt::format("rank {} is given up: {}; {} task(s) go to other ranks", r, reason, held.size()));
  for (auto at = held.rbegin(); at != held.rend(); ++at) {
    const std::size_t task = *at;
    TaskState& state = states_[task];
    if (state.is_done) continue;
    if (task == held.front()) {
      // It was being computed, and may be what killed the rank: others before rank 0.
      waiting_.avoid(task, 0);
      waiting_.avoid(task, r);
      if (++state.losses == kMaxLosses) {
        settle(r, task,
               {.error = fmt::format("{} ranks were lost while they computed it", kMaxLosses)});
        continue;
      }
    }
    waiting_.push_front(task);
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
                       .host = ranks_[r].hello.host,
                       .lost = ranks_[r].is_lost,
                       .left_out = ranks_[r].is_left_out,
                       .tasks = ranks_[r].tasks,
                       .busy_s = ranks_[r].busy_s});
  return reports;
}

void CoordinatorState::send(int to, message::Kind kind, Payload payload) {
  sends_.push_back({.to = to, .kind = kind, .payload = std::move(payload)});
}

bool CoordinatorState::may_come(const Rank& r) const {
  return r.is_member() && (!r.has_said_hello || (r.is_ready && r.answered != configuration_));
}

void CoordinatorState::find_working() {
  working_ = 0;
  for (Rank& r : ranks_) {
    r.works = r.is_ready && r.is_member() && r.answered == configuration_ && !r.refusal;
    working_ += r.works ? 1 : 0;
  }
}

/// Everyone gets a first task before anyone gets a second, and nobody gets a second near the end:
/// there it would wait behind a running one while other ranks idle.
void CoordinatorState::assign() {
  if (is_stopping_) return;
  for (int depth = 1; depth <= options_.queue_depth; ++depth) {
    for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
      if (waiting_.empty() || (depth > 1 && waiting_.size() <= working_)) return;
      if (!rank(r).works || static_cast<int>(rank(r).held.size()) >= depth) continue;
      const auto task =
          waiting_.take(r, [&](const WaitingTasks::Avoided& avoided) { return are_all(avoided); });
      if (task) give(r, *task);
    }
  }
}

bool CoordinatorState::are_all(const WaitingTasks::Avoided& avoided) const {
  // Ranks that are still starting count: silence gives them up soon enough.
  for (int r = 0; r < static_cast<int>(ranks_.size()); ++r) {
    const Rank& candidate = ranks_[static_cast<std::size_t>(r)];
    if ((candidate.works || may_come(candidate)) && !avoided.contains(r)) return false;
  }
  return true;
}

void CoordinatorState::give(int r, std::size_t task) {
  rank(r).held.push_back(task);
  states_[task].start_s = now_ - origin_;
  send(r, message::task, message::encode_task(round_, task, tasks_[task].payload));
}

void CoordinatorState::on_hello(Rank& from, int r, message::HelloMessage hello) {
  from.hello = std::move(hello);
  from.has_said_hello = true;
  if (from.hello.fingerprint != options_.fingerprint) return;
  from.is_ready = true;
  for (Payload& payload : std::exchange(from.owed, {}))
    send(r, message::configure, std::move(payload));
  find_working();
}

void CoordinatorState::on_outcome(int from, message::OutcomeMessage outcome) {
  if (outcome.round != round_ || outcome.index >= states_.size()) return;  // of an earlier run
  const auto task = static_cast<std::size_t>(outcome.index);
  Rank& r = rank(from);
  const bool was_held = std::erase(r.held, task) > 0;
  TaskState& state = states_[task];
  // Another rank was faster after a reissue, or will decide in place of a rank that was given up.
  if (state.is_done || (!was_held && !outcome.ok)) return;
  ++r.tasks;
  r.busy_s += outcome.seconds;
  if (outcome.ok) {
    waiting_.remove(task);  // the copy of a rank that was given up need not be computed
    settle(from, task, std::move(outcome));
    return;
  }
  ++state.failures;
  waiting_.avoid(task, from);
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
  std::vector<Remark> others;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    const Rank& rank = ranks_[r];
    if (rank.is_lost) continue;
    if (!rank.has_said_hello) return;
    if (!rank.is_ready)
      others.push_back({static_cast<int>(r), rank.hello.host, rank.hello.fingerprint});
  }
  if (others.empty()) return;
  throw Error(ErrorCode::mismatch,
              fmt::format("not all ranks run the same program on the same kind of machine; "
                          "rank 0: {}; {}",
                          options_.fingerprint, list_remarks(others)),
              {}, "Start every rank from the same binary on like machines");
}

/// Once every member has answered, so that one message names all who could not be configured.
void CoordinatorState::check_configuration() {
  const bool all_answered = std::ranges::all_of(
      ranks_, [&](const Rank& r) { return !r.is_member() || r.answered == configuration_; });
  const std::vector<int> ranks = refusing();
  if (!all_answered || ranks.empty()) return;
  const bool can_go_on =
      on_failure_ == OnFailure::leave_out && std::ranges::none_of(ranks, [&](int r) {
        return r == 0 || rank(r).refusal->code == ErrorCode::mismatch;
      });
  if (!can_go_on) throw refusal_error(ranks);
  log_warning(fmt::format("the run goes on without {} of {} ranks, which cannot take part: {}",
                          ranks.size(), ranks_.size(), list_remarks(remarks(ranks))));
  for (const int r : ranks) {
    rank(r).is_left_out = true;
    waiting_.forget_home(r);
  }
  find_working();
}

std::vector<int> CoordinatorState::refusing() const {
  std::vector<int> ranks;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (ranks_[r].is_member() && ranks_[r].answered == configuration_ && ranks_[r].refusal)
      ranks.push_back(static_cast<int>(r));
  }
  return ranks;
}

std::vector<Remark> CoordinatorState::remarks(std::span<const int> ranks) const {
  std::vector<Remark> all;
  for (const int r : ranks) {
    const Rank& rank = ranks_[static_cast<std::size_t>(r)];
    all.push_back({r, rank.hello.host, rank.refusal->reason});
  }
  return all;
}

/// @param ranks those of refusing(), at least one
Error CoordinatorState::refusal_error(std::span<const int> ranks) const {
  const auto refusal = [&](int r) -> const Refusal& {
    return *ranks_[static_cast<std::size_t>(r)].refusal;
  };
  std::vector<int> differing;
  std::vector<int> failing;
  for (const int r : ranks)
    (refusal(r).code == ErrorCode::mismatch ? differing : failing).push_back(r);
  const Refusal& leading = refusal(differing.empty() ? failing.front() : differing.front());
  if (ranks_.size() == 1) return {leading.code, leading.reason, {}, leading.hint};
  std::vector<std::string> parts;
  if (!differing.empty())
    parts.push_back(fmt::format("{} of {} ranks {} from rank 0: {}", differing.size(),
                                ranks_.size(), differing.size() == 1 ? "differs" : "differ",
                                list_remarks(remarks(differing))));
  if (!failing.empty())
    parts.push_back(fmt::format("{} of {} ranks cannot take part: {}", failing.size(),
                                ranks_.size(), list_remarks(remarks(failing))));
  return {leading.code, fmt::format("{}", fmt::join(parts, "; ")), {}, leading.hint};
}

}  // namespace qsweep
