#include "ranks/messages.h"

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep::message {
namespace {

constexpr std::size_t kChecksumBytes = 4;

std::uint32_t checksum(std::uint8_t kind, ByteView body) {
  const auto first = static_cast<std::byte>(kind);
  return crc32c(body, crc32c(ByteView(&first, 1)));
}

Payload seal(Kind kind, ByteWriter& body) {
  body.u32(checksum(kind, body.bytes()));
  return Payload(body.take());
}

ByteReader open(const Message& m) {
  const std::string where = "message of rank " + std::to_string(m.from);
  const ByteView all = m.payload.view();
  if (all.size() < kChecksumBytes)
    throw Error(ErrorCode::corrupt_input, "a message between ranks is cut short", where);
  const ByteView body = all.first(all.size() - kChecksumBytes);
  if (!m.is_in_memory &&
      ByteReader(all.last(kChecksumBytes), where).u32() != checksum(m.kind, body))
    throw Error(ErrorCode::corrupt_input, "a message between ranks is damaged", where);
  return {body, where};
}

std::string_view cut(std::string_view text) {
  return text.substr(0, kMaxTextBytes);
}

}  // namespace

Payload encode_empty(Kind kind) {
  ByteWriter out;
  return seal(kind, out);
}

void decode_empty(const Message& message) {
  open(message).finish();
}

Payload encode_hello(const HelloMessage& m) {
  ByteWriter out;
  out.u32(kProtocolVersion);
  out.str(cut(m.fingerprint));
  out.str(cut(m.host));
  return seal(hello, out);
}

HelloMessage decode_hello(const Message& message) {
  ByteReader in = open(message);
  // The rest of another version's hello is unknown; that it differs is all that matters.
  if (const std::uint32_t version = in.u32(); version != kProtocolVersion)
    return {.fingerprint = "protocol version " + std::to_string(version)};
  HelloMessage m;
  m.fingerprint = in.str();
  m.host = in.str();
  in.finish();
  return m;
}

Payload encode_configure(std::uint64_t number, ByteView state) {
  ByteWriter head;
  head.u64(number);
  head.u64(state.size());
  // A state may be large: it is copied once, into a buffer of the final size.
  Bytes all = head.take();
  all.reserve(all.size() + state.size() + kChecksumBytes);
  all.insert(all.end(), state.begin(), state.end());
  ByteWriter tail;
  tail.u32(checksum(configure, all));
  all.insert(all.end(), tail.bytes().begin(), tail.bytes().end());
  return Payload(std::move(all));
}

ConfigureMessage decode_configure(const Message& message) {
  ByteReader in = open(message);
  ConfigureMessage m;
  m.number = in.u64();
  m.state = message.payload.part(in.blob());
  in.finish();
  return m;
}

Payload encode_configured(const ConfiguredMessage& m) {
  ByteWriter out;
  out.u64(m.number);
  out.u8(m.refusal ? static_cast<std::uint8_t>(1 + static_cast<int>(m.refusal->code)) : 0);
  if (m.refusal) {
    out.str(cut(m.refusal->reason));
    out.str(cut(m.refusal->hint));
  }
  return seal(configured, out);
}

ConfiguredMessage decode_configured(const Message& message) {
  ByteReader in = open(message);
  ConfiguredMessage m;
  m.number = in.u64();
  if (const std::uint8_t code = in.u8(); code != 0) {
    if (code > 1 + static_cast<int>(ErrorCode::internal))
      throw Error(ErrorCode::corrupt_input, "a rank answers with an unknown error code");
    m.refusal = Refusal{.code = static_cast<ErrorCode>(code - 1)};
    m.refusal->reason = in.str();
    m.refusal->hint = in.str();
  }
  in.finish();
  return m;
}

Payload encode_task(std::uint64_t round, std::uint64_t index, ByteView payload) {
  ByteWriter out;
  out.u64(round);
  out.u64(index);
  out.blob(payload);
  return seal(task, out);
}

TaskMessage decode_task(const Message& message) {
  ByteReader in = open(message);
  TaskMessage m;
  m.round = in.u64();
  m.index = in.u64();
  m.payload = message.payload.part(in.blob());
  in.finish();
  return m;
}

Payload encode_outcome(const OutcomeMessage& m) {
  ByteWriter out;
  out.u64(m.round);
  out.u64(m.index);
  out.u8(m.ok ? 1 : 0);
  out.f64(m.seconds);
  out.blob(m.result);
  out.str(cut(m.error));
  return seal(outcome, out);
}

OutcomeMessage decode_outcome(const Message& message) {
  ByteReader in = open(message);
  OutcomeMessage m;
  m.round = in.u64();
  m.index = in.u64();
  m.ok = in.u8() != 0;
  m.seconds = in.f64();
  const ByteView result = in.blob();
  m.result.assign(result.begin(), result.end());
  m.error = in.str();
  in.finish();
  return m;
}

Payload encode_leave(const std::vector<int>& lost_ranks) {
  ByteWriter out;
  for (const int rank : lost_ranks) out.u32(static_cast<std::uint32_t>(rank));
  return seal(leave, out);
}

std::vector<int> decode_leave(const Message& message) {
  ByteReader in = open(message);
  std::vector<int> ranks;
  while (in.remaining() > 0) ranks.push_back(static_cast<int>(in.u32()));
  return ranks;
}

}  // namespace qsweep::message
