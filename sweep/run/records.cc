#include "sweep/run/records.h"

#include <utility>

#include "src/base/error.h"

namespace qsweep {
namespace {

std::uint64_t bounded_count(ByteReader& in, std::size_t element_bytes) {
  const std::uint64_t n = in.u64();
  if (n > in.remaining() / element_bytes) {
    throw Error(ErrorCode::corrupt_input, "a record claims more elements than it holds");
  }
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

ByteWriter tagged(MessageKind kind) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(kind));
  return out;
}

}  // namespace

void ShardResult::write(ByteWriter& out) const {
  out.blob(outcomes);
  out.f64(kl_sum);
  output_error.write(out);
  out.u8(nonfinite ? 1 : 0);
  out.f64(seconds);
  out.u64(probes.size());
  for (const LayerProbe& p : probes) {
    out.u32(static_cast<std::uint32_t>(p.layer));
    p.output.write(out);
    p.input.write(out);
  }
}

ShardResult ShardResult::read(ByteReader& in) {
  ShardResult r;
  const ByteView outcomes = in.blob();
  r.outcomes.assign(outcomes.begin(), outcomes.end());
  r.kl_sum = in.f64();
  r.output_error = ErrorSums::read(in);
  r.nonfinite = in.u8() != 0;
  r.seconds = in.f64();
  const std::uint64_t probes = bounded_count(in, sizeof(std::uint32_t));
  for (std::uint64_t i = 0; i < probes; ++i) {
    LayerProbe p;
    p.layer = static_cast<std::int32_t>(in.u32());
    p.output = ErrorSums::read(in);
    p.input = ErrorSums::read(in);
    r.probes.push_back(p);
  }
  return r;
}

Bytes CalibrateTask::encode() const {
  ByteWriter out = tagged(MessageKind::calibrate);
  out.u8(static_cast<std::uint8_t>(pass));
  out.i64(begin);
  out.i64(end);
  return out.take();
}

CalibrateTask CalibrateTask::decode(ByteReader& in) {
  CalibrateTask t;
  t.pass = static_cast<CalibrationPass>(in.u8());
  t.begin = in.i64();
  t.end = in.i64();
  in.finish();
  return t;
}

Bytes AdaptTask::encode() const {
  ByteWriter out = tagged(MessageKind::adapt);
  out.u32(static_cast<std::uint32_t>(layer));
  out.u8(precision);
  inputs.write(out);
  return out.take();
}

AdaptTask AdaptTask::decode(ByteReader& in) {
  AdaptTask t;
  t.layer = static_cast<std::int32_t>(in.u32());
  t.precision = in.u8();
  t.inputs = LayerInputs::read(in);
  in.finish();
  return t;
}

Bytes EvaluateTask::encode() const {
  ByteWriter out = tagged(MessageKind::evaluate);
  out.i64(shard);
  out.u8(probe ? 1 : 0);
  out.u8(detail ? 1 : 0);
  out.u64(schemes.size());
  for (const Assignment& a : schemes) write_assignment(out, a);
  return out.take();
}

EvaluateTask EvaluateTask::decode(ByteReader& in) {
  EvaluateTask t;
  t.shard = in.i64();
  t.probe = in.u8() != 0;
  t.detail = in.u8() != 0;
  const std::uint64_t n = bounded_count(in, sizeof(std::uint64_t));
  t.schemes.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) t.schemes.push_back(read_assignment(in));
  in.finish();
  return t;
}

Bytes CaptureTask::encode() const {
  ByteWriter out = tagged(MessageKind::capture);
  write_assignment(out, reference);
  out.u64(layers.size());
  for (std::int32_t layer : layers) out.u32(static_cast<std::uint32_t>(layer));
  out.i64(images);
  out.str(directory);
  out.i64(part);
  return out.take();
}

CaptureTask CaptureTask::decode(ByteReader& in) {
  CaptureTask t;
  t.reference = read_assignment(in);
  const std::uint64_t n = bounded_count(in, sizeof(std::uint32_t));
  for (std::uint64_t i = 0; i < n; ++i) t.layers.push_back(static_cast<std::int32_t>(in.u32()));
  t.images = in.i64();
  t.directory = in.str();
  t.part = in.i64();
  in.finish();
  return t;
}

Bytes encode_stats(const std::vector<TensorStats>& stats) {
  ByteWriter out;
  out.u64(stats.size());
  for (const TensorStats& s : stats) s.write(out);
  return out.take();
}

std::vector<TensorStats> decode_stats(ByteReader& in) {
  const std::uint64_t n = bounded_count(in, 1);
  std::vector<TensorStats> stats;
  stats.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) stats.push_back(TensorStats::read(in));
  return stats;
}

Bytes encode_inputs(const std::vector<LayerInputs>& by_layer) {
  ByteWriter out;
  out.u64(by_layer.size());
  for (const LayerInputs& inputs : by_layer) inputs.write(out);
  return out.take();
}

std::vector<LayerInputs> decode_inputs(ByteReader& in) {
  const std::uint64_t n = bounded_count(in, sizeof(std::uint64_t));
  std::vector<LayerInputs> by_layer;
  for (std::uint64_t i = 0; i < n; ++i) by_layer.push_back(LayerInputs::read(in));
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
