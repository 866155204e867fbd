#include "ranks/messages.h"

namespace qsweep::message {

Bytes TaskMessage::encode() const {
  ByteWriter out;
  out.u64(round);
  out.u64(index);
  out.blob(payload);
  return out.take();
}

TaskMessage TaskMessage::decode(ByteView bytes) {
  ByteReader in(bytes, "task message");
  TaskMessage m;
  m.round = in.u64();
  m.index = in.u64();
  m.payload = in.blob();
  in.finish();
  return m;
}

Bytes OutcomeMessage::encode() const {
  ByteWriter out;
  out.u64(round);
  out.u64(index);
  out.u8(ok ? 1 : 0);
  out.f64(seconds);
  out.blob(result);
  out.str(error);
  return out.take();
}

OutcomeMessage OutcomeMessage::decode(ByteView bytes) {
  ByteReader in(bytes, "outcome message");
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

}  // namespace qsweep::message
