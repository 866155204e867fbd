#include <utility>

#include "ranks/compute_thread.h"
#include "ranks/coordinator.h"
#include "ranks/worker_state.h"

namespace qsweep {
namespace {

/// How long a worker waits for a message before it looks at its own finished tasks.
constexpr std::chrono::microseconds kPoll{1000};

}  // namespace

bool serve(Transport& transport, TaskHandler& handler, CoordinatorOptions options) {
  RankWork work(handler, options, transport.now());
  while (work.state.phase() == WorkerState::Phase::serving) {
    work.step(transport.now(), std::chrono::microseconds(0));
    for (message::Envelope& e : work.state.take_sends())
      transport.send(e.to, e.kind, std::move(e.payload));
    if (const auto m = transport.receive(kPoll)) work.state.on_message(*m, transport.now());
    work.state.on_tick(transport.now());
  }
  for (const int rank : work.state.lost_ranks()) transport.give_up(rank);
  if (work.state.phase() == WorkerState::Phase::released) return true;
  transport.give_up(0);
  return false;
}

}  // namespace qsweep
