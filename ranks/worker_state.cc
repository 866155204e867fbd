#include "ranks/worker_state.h"

#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"

namespace qsweep {

WorkerState::WorkerState(const CoordinatorOptions& options, double now, std::string host)
    : options_(options), coordinator_(options.heartbeat_s), last_tick_(now), last_sent_(now) {
  send(message::hello,
       message::encode_hello({.fingerprint = options.fingerprint, .host = std::move(host)}), now);
}

void WorkerState::on_message(const Message& m, double now) {
  coordinator_.heard();
  switch (m.kind) {
    case message::configure: {
      message::ConfigureMessage configuration = message::decode_configure(m);
      waiting_.push_back({.configuration = configuration.number,
                          .task = {.payload = std::move(configuration.state)}});
      break;
    }
    case message::task:
      waiting_.push_back({.task = message::decode_task(m)});
      break;
    case message::drain:
      message::decode_empty(m);
      std::erase_if(waiting_, [](const Item& item) { return !item.configuration; });
      draining_ = true;
      say_drained(now);
      break;
    case message::heartbeat:
      message::decode_empty(m);
      break;
    case message::leave:
      lost_ranks_ = message::decode_leave(m);
      phase_ = Phase::released;
      break;
    case message::dismiss:
      message::decode_empty(m);
      phase_ = Phase::dismissed;
      break;
    default:
      throw Error(ErrorCode::internal,
                  fmt::format("a worker received a message of kind {}, which is not for workers",
                              static_cast<int>(m.kind)));
  }
}

void WorkerState::on_finished(Computed computed, double now) {
  const Item item = std::move(running_.value());
  running_.reset();
  if (item.configuration) {
    on_configured(*item.configuration, std::move(computed), now);
    return;
  }
  message::OutcomeMessage outcome{.round = item.task.round,
                                  .index = item.task.index,
                                  .ok = computed.ok,
                                  .seconds = computed.seconds,
                                  .result = std::move(computed.result),
                                  .error = std::move(computed.error)};
  if (outcome.result.size() > message::kMaxBodyBytes) {
    outcome.error =
        fmt::format("the result of {} bytes is too large to send", outcome.result.size());
    outcome.ok = false;
    outcome.result.clear();
  }
  send(message::outcome, message::encode_outcome(outcome), now);
  say_drained(now);
}

void WorkerState::on_configured(std::uint64_t number, Computed computed, double now) {
  message::ConfiguredMessage answer{.number = number};
  broken_.reset();
  if (!computed.ok) {
    broken_ = computed.error;
    answer.refusal = Refusal{.code = computed.code,
                             .reason = std::move(computed.error),
                             .hint = std::move(computed.hint)};
  }
  send(message::configured, message::encode_configured(answer), now);
}

void WorkerState::on_tick(double now) {
  coordinator_.looked(now - std::exchange(last_tick_, now));
  if (phase_ == Phase::serving && coordinator_.seconds() > options_.coordinator_timeout_s)
    phase_ = Phase::orphaned;
  if (now - last_sent_ >= options_.heartbeat_s)
    send(message::heartbeat, message::encode_empty(message::heartbeat), now);
}

std::optional<Job> WorkerState::next_job() {
  while (!running_ && !waiting_.empty()) {
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    const bool is_configure = running_->configuration.has_value();
    if (is_configure || !broken_)
      return Job{.is_configure = is_configure, .payload = std::move(running_->task.payload)};
    // Without its configuration no task can be computed.
    on_finished({.ok = false, .result = {}, .error = *broken_, .seconds = 0.0}, last_sent_);
  }
  return std::nullopt;
}

std::vector<message::Envelope> WorkerState::take_sends() {
  return std::exchange(sends_, {});
}

void WorkerState::send(message::Kind kind, Payload payload, double now) {
  sends_.push_back({.to = 0, .kind = kind, .payload = std::move(payload)});
  last_sent_ = now;
}

/// A configuration may still wait or run: it computes no task.
void WorkerState::say_drained(double now) {
  if (!draining_ || (running_ && !running_->configuration)) return;
  draining_ = false;
  send(message::drained, message::encode_empty(message::drained), now);
}

}  // namespace qsweep
