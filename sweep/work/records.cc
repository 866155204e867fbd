#include "sweep/work/records.h"

#include <limits>
#include <utility>

#include "src/base/error.h"

#include "sweep/work/records.pb.h"

namespace qsweep {
namespace {

template <class Message>
Bytes to_bytes(const Message& message) {
  const std::size_t size = message.ByteSizeLong();
  QSWEEP_CHECK(size <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  Bytes bytes(size);
  QSWEEP_CHECK(message.SerializeToArray(bytes.data(), static_cast<int>(size)));
  return bytes;
}

template <class Message>
Message from_bytes(ByteView bytes, const std::string& where) {
  Message message;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw Error(ErrorCode::corrupt_input, "a record cannot be read", where);
  return message;
}

ByteView view(const std::string& bytes) {
  return as_bytes(bytes);
}

/// A value with a byte layout of its own, inside a message.
template <class Value>
std::string written(const Value& value) {
  ByteWriter out;
  value.write(out);
  return std::string(as_text(out.bytes()));
}

template <class Value>
Value read(const std::string& bytes, const std::string& where) {
  ByteReader in(view(bytes), where);
  Value value = Value::read(in);
  in.finish();
  return value;
}

void set(record::ErrorSums& to, const ErrorSums& from) {
  to.set_count(from.count);
  to.set_reference_squares(from.reference_squares);
  to.set_value_squares(from.value_squares);
  to.set_error_squares(from.error_squares);
  to.set_products(from.products);
}

ErrorSums get(const record::ErrorSums& from) {
  return {.count = from.count(),
          .reference_squares = from.reference_squares(),
          .value_squares = from.value_squares(),
          .error_squares = from.error_squares(),
          .products = from.products()};
}

}  // namespace

Bytes encode(const ShardResult& result) {
  record::ShardOutcome message;
  message.set_outcomes(result.outcomes.data(), result.outcomes.size());
  message.set_kl_sum(result.kl_sum);
  set(*message.mutable_output_error(), result.output_error);
  message.set_nonfinite(result.nonfinite);
  message.set_seconds(result.seconds);
  for (const ShardResult::LayerProbe& probe : result.probes) {
    record::LayerErrors& errors = *message.add_probes();
    errors.set_layer(probe.layer.value());
    set(*errors.mutable_output(), probe.output);
    set(*errors.mutable_input(), probe.input);
  }
  return to_bytes(message);
}

ShardResult decode_shard_result(ByteView bytes, const std::string& where) {
  const auto message = from_bytes<record::ShardOutcome>(bytes, where);
  const ByteView outcomes = view(message.outcomes());
  ShardResult result{.outcomes = {outcomes.begin(), outcomes.end()},
                     .kl_sum = message.kl_sum(),
                     .output_error = get(message.output_error()),
                     .nonfinite = message.nonfinite(),
                     .seconds = message.seconds(),
                     .probes = {}};
  for (const record::LayerErrors& errors : message.probes())
    result.probes.push_back({LayerId(errors.layer()), get(errors.output()), get(errors.input())});
  return result;
}

Bytes encode_ranges(const std::vector<TensorStats>& by_layer) {
  record::Ranges message;
  for (const TensorStats& stats : by_layer) message.add_tensors(written(stats));
  return to_bytes(message);
}

std::vector<TensorStats> decode_ranges(ByteView bytes, const std::string& where) {
  const auto message = from_bytes<record::Ranges>(bytes, where);
  std::vector<TensorStats> by_layer;
  for (const std::string& tensor : message.tensors())
    by_layer.push_back(read<TensorStats>(tensor, where));
  return by_layer;
}

Bytes encode(const Adaptation& adaptation) {
  record::LayerAdaptation message;
  message.set_adaptation(written(adaptation));
  return to_bytes(message);
}

Adaptation decode_adaptation(ByteView bytes, const std::string& where) {
  return read<Adaptation>(from_bytes<record::LayerAdaptation>(bytes, where).adaptation(), where);
}

Bytes encode_failure(const std::string& reason) {
  record::Failure message;
  message.set_reason(reason);
  return to_bytes(message);
}

std::string decode_failure(ByteView bytes, const std::string& where) {
  return from_bytes<record::Failure>(bytes, where).reason();
}

Bytes encode_latency(const std::string& csv) {
  record::Latency message;
  message.set_csv(csv);
  return to_bytes(message);
}

std::string decode_latency(ByteView bytes, const std::string& where) {
  return from_bytes<record::Latency>(bytes, where).csv();
}

Bytes encode_activation_part(const std::string& file) {
  record::ActivationPart message;
  message.set_file(file);
  return to_bytes(message);
}

std::string decode_activation_part(ByteView bytes, const std::string& where) {
  return from_bytes<record::ActivationPart>(bytes, where).file();
}

Bytes encode(const RunResults::TaskTime& time) {
  record::TaskTime message;
  message.set_stage(time.stage);
  message.set_key(time.key);
  message.set_rank(time.rank);
  message.set_start_s(time.start_s);
  message.set_seconds(time.seconds);
  message.set_bytes(time.bytes);
  message.set_work(time.work);
  message.set_work_without_reuse(time.work_without_reuse);
  message.set_session(time.session);
  return to_bytes(message);
}

RunResults::TaskTime decode_task_time(ByteView bytes, const std::string& where) {
  const auto message = from_bytes<record::TaskTime>(bytes, where);
  return {.stage = message.stage(),
          .key = message.key(),
          .rank = message.rank(),
          .start_s = message.start_s(),
          .seconds = message.seconds(),
          .bytes = message.bytes(),
          .work = message.work(),
          .work_without_reuse = message.work_without_reuse(),
          .session = message.session()};
}

Bytes encode(const SessionRecord& session) {
  record::Session message;
  message.set_ranks(session.ranks);
  for (const auto& [stage, seconds] : session.stage_seconds) {
    message.add_stage(stage);
    message.add_stage_seconds(seconds);
  }
  message.set_peak_bytes(session.peak_bytes);
  return to_bytes(message);
}

SessionRecord decode_session(ByteView bytes, const std::string& where) {
  const auto message = from_bytes<record::Session>(bytes, where);
  SessionRecord session{
      .ranks = message.ranks(), .stage_seconds = {}, .peak_bytes = message.peak_bytes()};
  for (int i = 0; i < std::min(message.stage_size(), message.stage_seconds_size()); ++i)
    session.stage_seconds.emplace_back(message.stage(i), message.stage_seconds(i));
  return session;
}

}  // namespace qsweep
