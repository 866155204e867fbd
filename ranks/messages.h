#pragma once

#include <cstdint>
#include <string>

#include "src/base/bytes.h"

namespace qsweep {

/// Every message between ranks and its encoding (PROTOCOL.md).
namespace message {

/// Wire values: never renumber.
enum Kind : std::uint8_t {
  hello = 1,      ///< worker -> coordinator: ready; its fingerprint
  configure = 2,  ///< coordinator -> worker: state for later tasks
  task = 3,       ///< coordinator -> worker: TaskMessage
  outcome = 4,    ///< worker -> coordinator: OutcomeMessage
  heartbeat = 5,  ///< worker -> coordinator: alive, also while it computes
  leave = 6,      ///< coordinator -> worker: no more work
};

/// `round` counts run() calls, so that a late outcome of an earlier one is recognised.
struct TaskMessage {
  std::uint64_t round = 0;
  std::uint64_t index = 0;
  ByteView payload;
  [[nodiscard]] Bytes encode() const;
  static TaskMessage decode(ByteView bytes);
};

struct OutcomeMessage {
  std::uint64_t round = 0;
  std::uint64_t index = 0;
  bool ok = false;
  double seconds = 0.0;
  Bytes result;       ///< when ok
  std::string error;  ///< when not
  [[nodiscard]] Bytes encode() const;
  static OutcomeMessage decode(ByteView bytes);
};

}  // namespace message
}  // namespace qsweep
