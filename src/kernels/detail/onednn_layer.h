#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "src/kernels/detail/geometry.h"

namespace qsweep::detail {

/// A linear layer on oneDNN, with the weight reordered once to what the primitive prefers:
/// y = epilogue((sum_k x_k * w_k + bias[o]) * scale[o]), x and y channels_last (gemm: rows of
/// channels). Float: f32 x f32, no scale. Integer: u8 x s8 with int32 accumulators, converted to
/// FP32 before bias and scale: exact as long as accumulators and biases stay below 2^24 (the
/// caller's duty).
class OneDnnLayer {
 public:
  /// @param weight f32, or i8 codes, in ONNX layout; kept, shared
  /// @param bias   one per output channel, or empty
  /// @param scale  one per output channel, integer weights only
  /// @param divisor 0, or: results are u8, round_half_even(y / divisor) saturated
  OneDnnLayer(const LinearSpec& spec,
              Tensor weight,
              std::vector<float> bias,
              std::vector<float> scale,
              float divisor = 0.0f);
  ~OneDnnLayer();

  /// Computes into a fresh tensor, or says that oneDNN has no optimised kernel for this geometry.
  /// @param x f32 or u8, `geometry.batch` images or rows in channels_last order
  [[nodiscard]] std::optional<Tensor> run(const Tensor& x, const Geometry& geometry);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// True when oneDNN multiplies u8 by s8 into int32 without saturating in between, on this CPU.
[[nodiscard]] bool onednn_int8_is_exact();

}  // namespace qsweep::detail
