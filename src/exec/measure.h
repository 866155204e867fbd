#pragma once

#include <cstdint>
#include <string>

#include "src/exec/bank.h"
#include "src/exec/program.h"

namespace qsweep {

/// True when this machine computes the precision with a kernel of its own, so that its time means
/// something (R114): FP32, integer arithmetic, and weight-only formats (FP32 arithmetic on weights
/// widened at load). FP16, BF16 and FP8 are emulated here: their results are exact, their times are
/// not theirs.
[[nodiscard]] bool has_native_kernel(const Precision& precision);

struct TimingOptions {
  double warm_up_ms = 20.0;  ///< untimed work before
  int iterations = 15;
  std::uint64_t seed = 0;
};

/// Milliseconds per batch on this machine, one thread.
struct Timing {
  double median_ms = 0.0;
  double mad_ms = 0.0;  ///< median absolute deviation from the median
  double mean_ms = 0.0;
  double p95_ms = 0.0, p99_ms = 0.0;  ///< quantiles, linear between the order statistics
  std::string kernel;                 ///< as reports name it; empty for what is no layer
};

/// Times a layer's kernel with its input's quantizer on random values within the calibrated range
/// (or
/// [-1, 1) without one), at the batch that `trace` was made for.
/// @throws Error(unsupported) unless has_native_kernel().
[[nodiscard]] Timing time_layer(LayerBank& bank,
                                const Trace& trace,
                                LayerId layer,
                                int precision,
                                const TimingOptions& options = {});

/// Times everything outside layers in float passes over a random batch of the traced shape.
[[nodiscard]] Timing time_outside_layers(const Program& program,
                                         const Trace& trace,
                                         const TimingOptions& options = {});

}  // namespace qsweep
