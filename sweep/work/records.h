#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/observer.h"

#include "src/exec/bank.h"
#include "src/metrics/tensor_error.h"
#include "src/results/results.h"

namespace qsweep {

/// Kinds of journal records. On-disk values: never renumber.
enum class RecordKind : std::uint8_t {
  ranges = 1,       ///< key: pass/chunk; statistics of every layer input over a chunk of images
  evaluation = 2,   ///< key: scheme id/shard; ShardResult
  failure = 3,      ///< key: scheme id/shard; reason. A later evaluation of the key supersedes it
  latency = 4,      ///< key: digest of its settings; the latency table as CSV
  activations = 5,  ///< key: layers and images; file name
  adaptation = 6,   ///< key: layer index/precision; Adaptation
  task_time = 7,    ///< key: session/number; a line of the cost ledger
  session = 8,      ///< key: session; ranks, seconds by stage
  inputs = 9,       ///< key: chunk; LayerInputs by layer. In memory only, never in a journal
};

/// What one scheme did on one shard.
struct ShardResult {
  Bytes outcomes;          ///< of the shard's images, in order; the scorer knows what they say
  double kl_sum = 0.0;     ///< over the shard's images, in order
  ErrorSums output_error;  ///< of the outputs against the float model's
  bool nonfinite = false;
  double seconds = 0.0;  ///< its share of the task's time

  /// Single-layer runs: the changed layer's errors.
  struct LayerProbe {
    LayerId layer{};
    ErrorSums output;  ///< of the layer's output against the float model's
    ErrorSums input;   ///< of its quantized input against its input
  };
  std::vector<LayerProbe> probes;
};

/// One start of the program on a run.
struct SessionRecord {
  int ranks = 1;
  std::vector<std::pair<std::string, double>> stage_seconds;
  std::uint64_t peak_bytes = 0;
};

/// Payloads of records, both ways (records.proto). Decoding throws Error(corrupt_input) naming
/// `where`.
[[nodiscard]] Bytes encode(const ShardResult& result);
[[nodiscard]] ShardResult decode_shard_result(ByteView bytes, const std::string& where);
/// Statistics of every layer's input, in layer order (layers that read one tensor repeat it).
[[nodiscard]] Bytes encode_ranges(const std::vector<TensorStats>& by_layer);
[[nodiscard]] std::vector<TensorStats> decode_ranges(ByteView bytes, const std::string& where);
[[nodiscard]] Bytes encode(const Adaptation& adaptation);
[[nodiscard]] Adaptation decode_adaptation(ByteView bytes, const std::string& where);
[[nodiscard]] Bytes encode_failure(const std::string& reason);
[[nodiscard]] std::string decode_failure(ByteView bytes, const std::string& where);
[[nodiscard]] Bytes encode_latency(const std::string& csv);
[[nodiscard]] std::string decode_latency(ByteView bytes, const std::string& where);
[[nodiscard]] Bytes encode_activation_part(const std::string& file);
[[nodiscard]] std::string decode_activation_part(ByteView bytes, const std::string& where);
[[nodiscard]] Bytes encode(const RunResults::TaskTime& time);
[[nodiscard]] RunResults::TaskTime decode_task_time(ByteView bytes, const std::string& where);
[[nodiscard]] Bytes encode(const SessionRecord& session);
[[nodiscard]] SessionRecord decode_session(ByteView bytes, const std::string& where);

}  // namespace qsweep
