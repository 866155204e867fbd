#pragma once

namespace qsweep::testing {

/// A job that gives every key that is not written while it has no value.
inline constexpr const char* kCompleteJob = R"(model: net.onnx
task: detection
classes: 10
input: {scale: 255, resize: {mode: crop, size: [32, 48], shorter: 50}}
head: {kind: dfl, strides: [8, 16], scores: logits}
shapes: {input: [1, 3, 32, 32]}
data:
  calibration: {format: cifar10, path: train.bin, cache: ranges.cache}
  evaluation: {format: cifar10, path: test.bin}
quantization: {preset: INT8_DEFAULT_CFG, algorithm: rtn, rules: {conv1: {num_bits: 8}}, skip: [a],
               nodes_to_exclude: [b], op_types_to_exclude: [Conv]}
sweep:
  families: [{rest: W4A16, keep: W8A8, k: [1, all]}]
  schemes: ['*=W8A8']
  untie: [c]
  search: {method: exhaustive, precisions: [W8A8]}
latency: {source: none, device: t4, table: latency.csv}
)";

}  // namespace qsweep::testing
