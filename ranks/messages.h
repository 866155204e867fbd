#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/bytes.h"

#include "ranks/refusal.h"
#include "ranks/transport.h"

namespace qsweep::message {

/// Every kind of message between ranks (PROTOCOL.md). Wire values: never renumber.
enum Kind : std::uint8_t {
  hello = 1,        ///< worker -> coordinator: ready; its protocol, fingerprint and host
  configure = 2,    ///< coordinator -> worker: state for later tasks
  task = 3,         ///< coordinator -> worker: one task to compute
  outcome = 4,      ///< worker -> coordinator: its result or its failure
  heartbeat = 5,    ///< both ways: the sender lives
  drain = 6,        ///< coordinator -> worker: drop the tasks you have not begun
  drained = 7,      ///< worker -> coordinator: nothing is computing or waiting here any more
  leave = 8,        ///< coordinator -> worker: no more work from it; which ranks were lost
  dismiss = 9,      ///< rank 0 -> worker: no other coordinator follows
  configured = 10,  ///< worker -> coordinator: a configuration is applied, or why it is not
};

/// Changes with the fields of any message. A hello begins with it in every version.
constexpr std::uint32_t kProtocolVersion = 2;

/// A message on its way out.
struct Envelope {
  int to = 0;
  std::uint8_t kind = 0;
  Payload payload{};
};

/// Fingerprints, hosts, hints and reasons of failures are short texts; longer ones are cut.
constexpr std::size_t kMaxTextBytes = 4096;
/// Room for what surrounds the payload of a task or result within kMaxMessageBytes.
constexpr std::uint64_t kMaxBodyBytes = kMaxMessageBytes - 2 * kMaxTextBytes;

struct HelloMessage {
  std::string fingerprint;  ///< of another protocol version: names that version
  std::string host{};       ///< may be empty
};

/// `number` counts the coordinator's configurations from 1. A decoded state is part of its message.
struct ConfigureMessage {
  std::uint64_t number = 0;
  Payload state{};
};

struct ConfiguredMessage {
  std::uint64_t number = 0;  ///< of the configuration that this answers
  std::optional<Refusal> refusal{};
};

/// `round` counts the coordinator's runs, so that a late outcome of an earlier one is recognised.
struct TaskMessage {
  std::uint64_t round = 0;
  std::uint64_t index = 0;
  Payload payload{};  ///< a part of the message
};

struct OutcomeMessage {
  std::uint64_t round = 0;
  std::uint64_t index = 0;
  bool ok = false;
  double seconds = 0.0;
  Bytes result{};       ///< when ok
  std::string error{};  ///< when not
};

/// Encoding and its inverse. Every payload ends with a CRC-32C over the kind and what precedes it;
/// decoding throws Error(corrupt_input) for anything encoding cannot have made. The checksum of a
/// message that never left this process (Message::is_in_memory) is not computed again.
[[nodiscard]] Payload encode_empty(Kind kind);
[[nodiscard]] Payload encode_hello(const HelloMessage& m);
[[nodiscard]] Payload encode_configure(std::uint64_t number, ByteView state);
[[nodiscard]] Payload encode_configured(const ConfiguredMessage& m);
[[nodiscard]] Payload encode_task(std::uint64_t round, std::uint64_t index, ByteView payload);
[[nodiscard]] Payload encode_outcome(const OutcomeMessage& m);
[[nodiscard]] Payload encode_leave(const std::vector<int>& lost_ranks);

void decode_empty(const Message& message);
[[nodiscard]] HelloMessage decode_hello(const Message& message);
[[nodiscard]] ConfigureMessage decode_configure(const Message& message);
[[nodiscard]] ConfiguredMessage decode_configured(const Message& message);
[[nodiscard]] TaskMessage decode_task(const Message& message);
[[nodiscard]] OutcomeMessage decode_outcome(const Message& message);
[[nodiscard]] std::vector<int> decode_leave(const Message& message);

}  // namespace qsweep::message
