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

Bytes seal(Kind kind, ByteWriter& body) {
  body.u32(checksum(kind, body.bytes()));
  return body.take();
}

ByteReader open(const Message& m) {
  const std::string where = "message of rank " + std::to_string(m.from);
  const ByteView all(m.payload);
  if (all.size() < kChecksumBytes)
    throw Error(ErrorCode::corrupt_input, "a message between ranks is cut short", where);
  const ByteView body = all.first(all.size() - kChecksumBytes);
  if (ByteReader(all.last(kChecksumBytes), where).u32() != checksum(m.kind, body))
    throw Error(ErrorCode::corrupt_input, "a message between ranks is damaged", where);
  return {body, where};
}

Bytes to_bytes(ByteView view) {
  return {view.begin(), view.end()};
}

}  // namespace

Bytes encode_empty(Kind kind) {
  ByteWriter out;
  return seal(kind, out);
}

void decode_empty(const Message& message) {
  open(message).finish();
}

Bytes encode_hello(std::string_view fingerprint) {
  ByteWriter out;
  out.str(fingerprint.substr(0, kMaxTextBytes));
  return seal(hello, out);
}

std::string decode_hello(const Message& message) {
  ByteReader in = open(message);
  std::string fingerprint = in.str();
  in.finish();
  return fingerprint;
}

Bytes encode_configure(ByteView state) {
  ByteWriter out;
  out.blob(state);
  return seal(configure, out);
}

Bytes decode_configure(const Message& message) {
  ByteReader in = open(message);
  Bytes state = to_bytes(in.blob());
  in.finish();
  return state;
}

Bytes encode_task(std::uint64_t round, std::uint64_t index, ByteView payload) {
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
  m.payload = to_bytes(in.blob());
  in.finish();
  return m;
}

Bytes encode_outcome(const OutcomeMessage& m) {
  ByteWriter out;
  out.u64(m.round);
  out.u64(m.index);
  out.u8(m.ok ? 1 : 0);
  out.f64(m.seconds);
  out.blob(m.result);
  out.str(std::string_view(m.error).substr(0, kMaxTextBytes));
  return seal(outcome, out);
}

OutcomeMessage decode_outcome(const Message& message) {
  ByteReader in = open(message);
  OutcomeMessage m;
  m.round = in.u64();
  m.index = in.u64();
  m.ok = in.u8() != 0;
  m.seconds = in.f64();
  m.result = to_bytes(in.blob());
  m.error = in.str();
  in.finish();
  return m;
}

Bytes encode_leave(const std::vector<int>& lost_ranks) {
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
