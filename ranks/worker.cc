#include <utility>

#include "ranks/compute_thread.h"
#include "ranks/coordinator.h"
#include "ranks/messages.h"
#include "src/base/error.h"

namespace qsweep {
namespace {

/// How long a worker waits for a message before it looks at its own finished tasks.
constexpr std::chrono::microseconds kPoll{1000};

}  // namespace

bool serve(Transport& transport, TaskHandler& handler, CoordinatorOptions options) {
  ComputeThread compute(handler);
  const ByteView fingerprint = as_bytes(options.fingerprint);
  transport.send(0, message::hello, Bytes(fingerprint.begin(), fingerprint.end()));
  double last_sent = transport.now();
  double last_heard = last_sent;
  for (;;) {
    if (const auto m = transport.receive(kPoll)) {
      last_heard = transport.now();
      switch (m->kind) {
        case message::configure:
          compute.configure(m->payload);
          break;
        case message::task: {
          const auto task = message::TaskMessage::decode(m->payload);
          compute.start(task.round, task.index, Bytes(task.payload.begin(), task.payload.end()));
          break;
        }
        case message::leave:
          return true;
        default:
          throw Error(ErrorCode::internal, "a worker received a message that is not for workers");
      }
    }
    while (auto outcome = compute.finished(std::chrono::microseconds(0))) {
      transport.send(0, message::outcome, outcome->encode());
      last_sent = transport.now();
    }
    const double now = transport.now();
    if (now - last_sent >= options.heartbeat_s) {
      transport.send(0, message::heartbeat, {});
      last_sent = now;
    }
    if (now - last_heard > options.coordinator_timeout_s) return false;
  }
}

}  // namespace qsweep
