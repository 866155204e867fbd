#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/layer_inputs.h"

#include "src/exec/walk.h"

#include "sweep/job/images.h"

namespace qsweep {

/// Kinds of messages to the ranks: state (configure) and tasks. The first byte of each tells which.
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

/// Tasks of a rank, as they travel. Decoding throws Error(corrupt_input).
struct CalibrateTask {
  CalibrationPass pass = CalibrationPass::range;
  Range images;  ///< of the calibration images
  [[nodiscard]] Bytes encode() const;
  static CalibrateTask decode(ByteReader& in);
};

/// Adapts one layer to one precision; its result is the Adaptation's record.
struct AdaptTask {
  LayerId layer{};
  std::uint8_t precision = 0;
  LayerInputs inputs;
  [[nodiscard]] Bytes encode() const;
  static AdaptTask decode(ByteReader& in);
};

/// Evaluates schemes on a shard; its result is an EvaluateResult.
struct EvaluateTask {
  Range images;         ///< of the evaluation images: the shard
  bool probe = false;   ///< compare the quantized layers' values with the float model's
  bool detail = false;  ///< keep what only predictions need
  std::vector<Assignment> schemes;
  [[nodiscard]] Bytes encode() const;
  static EvaluateTask decode(ByteReader& in);
};

struct EvaluateResult {
  double work = 0.0;                ///< MACs and moved elements computed
  double work_without_reuse = 0.0;  ///< what each scheme from the input on would have taken
  std::vector<Bytes> records;       ///< by scheme of the task: its ShardResult's record
  [[nodiscard]] Bytes encode() const;
  static EvaluateResult decode(ByteView bytes, const std::string& where);
};

/// Writes activations of the first images to a file; its result is the file's record.
struct CaptureTask {
  Assignment reference;  ///< the scheme whose values are kept beside the float ones
  std::vector<LayerId> layers;
  std::int64_t images = 0;  ///< the first of the evaluation images
  std::string directory;    ///< of the part files
  std::int64_t part = 0;
  [[nodiscard]] Bytes encode() const;
  static CaptureTask decode(ByteReader& in);
};

[[nodiscard]] Bytes encode_inputs(const std::vector<LayerInputs>& by_layer);
[[nodiscard]] std::vector<LayerInputs> decode_inputs(ByteView bytes, const std::string& where);
[[nodiscard]] Bytes encode_adaptations(const Adaptations& adaptations);
[[nodiscard]] Adaptations decode_adaptations(ByteReader& in);

}  // namespace qsweep
