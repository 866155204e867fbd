#include <utility>

#include "ranks/compute_thread.h"
#include "ranks/coordinator.h"
#include "ranks/worker_state.h"

namespace qsweep {

Parting serve(Transport& transport, TaskHandler& handler, CoordinatorOptions options) {
  RankWork work(handler, options, transport);
  while (work.state.phase() == WorkerState::Phase::serving) {
    work.step(transport.now());
    for (message::Envelope& e : work.state.take_sends())
      transport.send(e.to, e.kind, std::move(e.payload));
    if (const auto m = work.wait(transport)) work.state.on_message(*m, transport.now());
    work.state.on_tick(transport.now());
  }
  for (const int rank : work.state.lost_ranks()) transport.give_up(rank);
  switch (work.state.phase()) {
    case WorkerState::Phase::released:
      return Parting::released;
    case WorkerState::Phase::dismissed:
      return Parting::dismissed;
    default:
      transport.give_up(0);
      return Parting::orphaned;
  }
}

}  // namespace qsweep
