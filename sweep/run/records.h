#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/layer_inputs.h"
#include "src/quant/observer.h"

#include "src/exec/walk.h"
#include "src/metrics/tensor_error.h"

namespace qsweep {

/// Kinds of journal records. On-disk values: never renumber.
enum class RecordKind : std::uint8_t {
  ranges =
      1,  ///< key: pass/chunk; statistics of every layer input over a chunk of calibration images
  evaluation = 2,  ///< key: scheme id/shard; ShardResult
  failure =
      3,  ///< key: scheme id/shard; reason. A later evaluation record of the key supersedes it
  latency = 4,      ///< key: table digest; the latency table as CSV
  activations = 5,  ///< key: layers chunk; file name
  adaptation = 6,   ///< key: layer index/precision; Adaptation
};

/// What one scheme did on one shard.
struct ShardResult {
  Bytes outcomes;          ///< of the shard's images, in order; the task knows what they say
  double kl_sum = 0.0;     ///< over the shard's images, in order
  ErrorSums output_error;  ///< of the outputs against the float model's
  bool nonfinite = false;
  double seconds = 0.0;  ///< its share of the task's time

  /// Sensitivity runs: the changed layer's errors.
  struct LayerProbe {
    std::int32_t layer = 0;
    ErrorSums output;  ///< of the layer's output against the float model's
    ErrorSums input;   ///< of its quantized input against its input
  };
  std::vector<LayerProbe> probes;

  void write(ByteWriter& out) const;
  static ShardResult read(ByteReader& in);
};

/// Messages to the ranks: state (configure) and tasks. The first byte tells which.
enum class MessageKind : std::uint8_t {
  open_job = 1,
  ranges = 2,
  calibrate = 3,
  evaluate = 4,
  capture = 5,
  adapt = 6,
  adaptations = 7
};

/// What is gathered of the layers' inputs.
enum class CalibrationPass : std::uint8_t {
  range,      ///< statistics: extremes
  histogram,  ///< statistics: counts within the ranges
  inputs,     ///< LayerInputs of the layers that are adapted
};

struct CalibrateTask {
  CalibrationPass pass = CalibrationPass::range;
  std::int64_t begin = 0, end = 0;  ///< of the calibration ids
  [[nodiscard]] Bytes encode() const;
  static CalibrateTask decode(ByteReader& in);
};

/// Adapts one layer to one precision; its result is the Adaptation.
struct AdaptTask {
  std::int32_t layer = 0;
  std::uint8_t precision = 0;
  LayerInputs inputs;
  [[nodiscard]] Bytes encode() const;
  static AdaptTask decode(ByteReader& in);
};

struct EvaluateTask {
  std::int64_t shard = 0;
  bool probe = false;
  bool detail = false;  ///< keep what only predictions need
  std::vector<Assignment> schemes;
  [[nodiscard]] Bytes encode() const;
  static EvaluateTask decode(ByteReader& in);
};

struct CaptureTask {
  Assignment reference;  ///< the scheme whose values are kept beside the float ones
  std::vector<std::int32_t> layers;
  std::int64_t images = 0;  ///< the first of the evaluation ids
  std::string directory;    ///< of the part files
  std::int64_t part = 0;
  [[nodiscard]] Bytes encode() const;
  static CaptureTask decode(ByteReader& in);
};

/// Statistics of every layer's input, in layer order (layers that read one tensor repeat it).
[[nodiscard]] Bytes encode_stats(const std::vector<TensorStats>& stats);
[[nodiscard]] std::vector<TensorStats> decode_stats(ByteReader& in);

[[nodiscard]] Bytes encode_inputs(const std::vector<LayerInputs>& by_layer);
[[nodiscard]] std::vector<LayerInputs> decode_inputs(ByteReader& in);
[[nodiscard]] Bytes encode_adaptations(const Adaptations& adaptations);
[[nodiscard]] Adaptations decode_adaptations(ByteReader& in);

}  // namespace qsweep
