#include "sweep/work/tasks.h"

#include <utility>

#include "src/base/error.h"

namespace qsweep {
namespace {

std::uint64_t bounded_count(ByteReader& in, std::size_t element_bytes) {
  const std::uint64_t n = in.u64();
  if (n > in.remaining() / element_bytes)
    throw Error(ErrorCode::corrupt_input, "a message claims more elements than it holds");
  return n;
}

void write_assignment(ByteWriter& out, const Assignment& a) {
  out.u64(a.size());
  out.raw(std::as_bytes(std::span(a)));
}

Assignment read_assignment(ByteReader& in) {
  const std::uint64_t n = bounded_count(in, 1);
  const ByteView raw = in.raw(n);
  Assignment a(n);
  for (std::size_t i = 0; i < n; ++i) a[i] = std::to_integer<std::uint8_t>(raw[i]);
  return a;
}

void write_layer(ByteWriter& out, LayerId layer) {
  out.u32(static_cast<std::uint32_t>(layer.value()));
}

LayerId read_layer(ByteReader& in) {
  return LayerId(in.u32());
}

ByteWriter tagged(MessageKind kind) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(kind));
  return out;
}

}  // namespace

Bytes CalibrateTask::encode() const {
  ByteWriter out = tagged(MessageKind::calibrate);
  out.u8(static_cast<std::uint8_t>(pass));
  out.i64(images.begin);
  out.i64(images.end);
  return out.take();
}

CalibrateTask CalibrateTask::decode(ByteReader& in) {
  CalibrateTask t;
  t.pass = static_cast<CalibrationPass>(in.u8());
  t.images.begin = in.i64();
  t.images.end = in.i64();
  in.finish();
  return t;
}

Bytes AdaptTask::encode() const {
  ByteWriter out = tagged(MessageKind::adapt);
  write_layer(out, layer);
  out.u8(precision);
  inputs.write(out);
  return out.take();
}

AdaptTask AdaptTask::decode(ByteReader& in) {
  AdaptTask t;
  t.layer = read_layer(in);
  t.precision = in.u8();
  t.inputs = LayerInputs::read(in);
  in.finish();
  return t;
}

Bytes EvaluateTask::encode() const {
  ByteWriter out = tagged(MessageKind::evaluate);
  out.i64(images.begin);
  out.i64(images.end);
  out.u8(probe ? 1 : 0);
  out.u8(detail ? 1 : 0);
  out.u64(schemes.size());
  for (const Assignment& a : schemes) write_assignment(out, a);
  return out.take();
}

EvaluateTask EvaluateTask::decode(ByteReader& in) {
  EvaluateTask t;
  t.images.begin = in.i64();
  t.images.end = in.i64();
  t.probe = in.u8() != 0;
  t.detail = in.u8() != 0;
  const std::uint64_t n = bounded_count(in, sizeof(std::uint64_t));
  t.schemes.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) t.schemes.push_back(read_assignment(in));
  in.finish();
  return t;
}

Bytes EvaluateResult::encode() const {
  ByteWriter out;
  out.f64(work);
  out.f64(work_without_reuse);
  out.u64(records.size());
  for (const Bytes& record : records) out.blob(record);
  return out.take();
}

EvaluateResult EvaluateResult::decode(ByteView bytes, const std::string& where) {
  ByteReader in(bytes, where);
  EvaluateResult r;
  r.work = in.f64();
  r.work_without_reuse = in.f64();
  const std::uint64_t n = bounded_count(in, sizeof(std::uint64_t));
  for (std::uint64_t i = 0; i < n; ++i) {
    const ByteView record = in.blob();
    r.records.emplace_back(record.begin(), record.end());
  }
  in.finish();
  return r;
}

Bytes CaptureTask::encode() const {
  ByteWriter out = tagged(MessageKind::capture);
  write_assignment(out, reference);
  out.u64(layers.size());
  for (const LayerId layer : layers) write_layer(out, layer);
  out.i64(images);
  out.str(directory);
  out.i64(part);
  return out.take();
}

CaptureTask CaptureTask::decode(ByteReader& in) {
  CaptureTask t;
  t.reference = read_assignment(in);
  const std::uint64_t n = bounded_count(in, sizeof(std::uint32_t));
  for (std::uint64_t i = 0; i < n; ++i) t.layers.push_back(read_layer(in));
  t.images = in.i64();
  t.directory = in.str();
  t.part = in.i64();
  in.finish();
  return t;
}

Bytes encode_inputs(const std::vector<LayerInputs>& by_layer) {
  ByteWriter out;
  out.u64(by_layer.size());
  for (const LayerInputs& inputs : by_layer) inputs.write(out);
  return out.take();
}

std::vector<LayerInputs> decode_inputs(ByteView bytes, const std::string& where) {
  ByteReader in(bytes, where);
  const std::uint64_t n = bounded_count(in, sizeof(std::uint64_t));
  std::vector<LayerInputs> by_layer;
  for (std::uint64_t i = 0; i < n; ++i) by_layer.push_back(LayerInputs::read(in));
  in.finish();
  return by_layer;
}

Bytes encode_adaptations(const Adaptations& adaptations) {
  ByteWriter out;
  out.u64(adaptations.size());
  for (const auto& row : adaptations) {
    out.u64(row.size());
    for (const Adaptation& a : row) a.write(out);
  }
  return out.take();
}

Adaptations decode_adaptations(ByteReader& in) {
  Adaptations adaptations(bounded_count(in, sizeof(std::uint64_t)));
  for (auto& row : adaptations) {
    const std::uint64_t n = bounded_count(in, sizeof(std::uint64_t));
    for (std::uint64_t i = 0; i < n; ++i) row.push_back(Adaptation::read(in));
  }
  return adaptations;
}

}  // namespace qsweep
