#include "ranks/coordinator.h"

#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"

#include "ranks/compute_thread.h"
#include "ranks/coordinator_state.h"

namespace qsweep {
/// Drives the state of the coordinator and of rank 0's own worker over the transport.
struct Coordinator::Impl {
  Transport& transport;
  CoordinatorState state;
  RankWork local;
  bool has_left = false;

  Impl(Transport& t, TaskHandler& handler, const CoordinatorOptions& options)
      : transport(t), state(t.size(), options, t.now()), local(handler, options, t) {}

  /// Delivers everything that wants to go out; messages between rank 0 and itself take no
  /// transport.
  void deliver() {
    for (bool quiet = false; !quiet;) {
      quiet = true;
      local.step(transport.now());
      for (message::Envelope& e : local.state.take_sends()) {
        quiet = false;
        state.on_message(to_self(std::move(e)), transport.now());
      }
      for (message::Envelope& e : state.take_sends()) {
        quiet = false;
        send(std::move(e));
      }
      for (const int rank : state.take_given_up()) transport.give_up(rank);
    }
  }

  static Message to_self(message::Envelope e) {
    return {.from = 0, .kind = e.kind, .payload = std::move(e.payload), .is_in_memory = true};
  }

  void send(message::Envelope e) {
    if (e.to == 0) {
      local.state.on_message(to_self(std::move(e)), transport.now());
      return;
    }
    try {
      transport.send(e.to, e.kind, std::move(e.payload));
    } catch (const Error& error) {
      state.give_up(e.to, error.what());
    }
  }

  void wait() {
    if (const auto message = local.wait(transport)) state.on_message(*message, transport.now());
    state.on_tick(transport.now());
  }
};

Coordinator::Coordinator(Transport& transport, TaskHandler& local, CoordinatorOptions options)
    : impl_(std::make_unique<Impl>(transport, local, options)) {
  QSWEEP_CHECK(transport.rank() == 0);
}

Coordinator::~Coordinator() {
  try {
    shutdown();
  } catch (const std::exception& e) {
    log_warning(fmt::format("telling the ranks to leave failed: {}", e.what()));
  }
}

bool Coordinator::configure(const Bytes& state,
                            const std::atomic<bool>& stop,
                            OnFailure on_failure) {
  impl_->state.configure(state, on_failure);
  for (;;) {
    impl_->deliver();
    if (impl_->state.is_configured()) return true;
    if (stop) return false;
    impl_->wait();
  }
}

bool Coordinator::run(const std::vector<Task>& tasks,
                      const std::function<void(const TaskOutcome&)>& report,
                      const std::atomic<bool>& stop) {
  CoordinatorState& state = impl_->state;
  state.begin(tasks, impl_->transport.now());
  for (;;) {
    if (stop) state.stop();
    impl_->deliver();
    for (const TaskOutcome& outcome : state.take_outcomes()) report(outcome);
    if (state.is_done()) return state.is_complete();
    impl_->wait();
  }
}

void Coordinator::shutdown() {
  if (std::exchange(impl_->has_left, true)) return;
  impl_->state.leave();
  impl_->deliver();
}

std::vector<RankReport> Coordinator::ranks() const {
  return impl_->state.ranks();
}

void dismiss(Transport& transport) noexcept {
  for (int r = 1; r < transport.size(); ++r) {
    try {
      transport.send(r, message::dismiss, message::encode_empty(message::dismiss));
    } catch (const std::exception&) {
      // It cannot be reached, and leaves on its own when it has heard nothing for long enough.
    }
  }
}

int Coordinator::lost_ranks() const {
  int lost = 0;
  for (const RankReport& r : impl_->state.ranks()) lost += r.lost ? 1 : 0;
  return lost;
}

}  // namespace qsweep
