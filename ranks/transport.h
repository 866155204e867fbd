#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ranks/payload.h"

namespace qsweep {

/// A message as a transport delivers it. Kinds are listed in ranks/messages.h.
struct Message {
  int from = 0;
  std::uint8_t kind = 0;
  Payload payload{};
  /// The payload is the sender's own buffer and has never left this process, so its checksum need
  /// not be checked again.
  bool is_in_memory = false;
};

/// Point-to-point messages between the ranks of one run: ordered per pair, reliable unless a rank
/// dies. The only thing qsweep asks of MPI while it works; nothing here is collective. One thread
/// per rank uses its transport. A dead peer shows only as silence (see PROTOCOL.md).
class Transport {
 public:
  virtual ~Transport() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  /// How many of the ranks are on this one's node and can share memory with it, itself included.
  [[nodiscard]] virtual int node_size() const { return size(); }
  /// False where ranks are threads of one process, which has one log.
  [[nodiscard]] virtual bool has_process() const { return true; }
  /// The name of this rank's machine, for messages to people. Empty where all ranks are threads of
  /// one process.
  [[nodiscard]] virtual std::string host() const { return {}; }
  /// Queues a message; returns before it is received. @throws Error(resource) when over
  /// kMaxMessageBytes.
  virtual void send(int to, std::uint8_t kind, Payload payload) = 0;
  /// The next message, or nothing after `timeout`. Naps while it waits; never spins a core.
  virtual std::optional<Message> receive(std::chrono::microseconds timeout) = 0;
  /// The peer is taken for dead: nothing waits for it any more, not even the end of the session.
  virtual void give_up(int rank) { (void)rank; }
  /// Monotonic seconds; virtual time on the simulated transport.
  [[nodiscard]] virtual double now() const = 0;
};

constexpr std::uint64_t kMaxMessageBytes = std::uint64_t{1} << 30;

/// `n` connected transports for `n` threads of this process; they share ownership of the queues.
[[nodiscard]] std::vector<std::unique_ptr<Transport>> make_thread_transports(int n);

}  // namespace qsweep
