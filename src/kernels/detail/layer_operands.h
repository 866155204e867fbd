#pragma once

#include "src/kernels/detail/geometry.h"

namespace qsweep::detail {

/// The bias as one float per output channel, empty when absent.
/// @throws Error(corrupt_input) naming the layer when its type or length is wrong.
[[nodiscard]] std::vector<float> bias_values(const LinearSpec& spec,
                                             const Tensor& bias,
                                             std::int64_t channels);

/// x in the order the layer kernels read: channels_last for convolutions, row_major for gemm.
[[nodiscard]] inline Tensor ordered_input(const LinearSpec& spec, const Tensor& x) {
  return x.to_layout(spec.kind == LinearSpec::Kind::gemm ? Layout::row_major
                                                         : Layout::channels_last);
}

}  // namespace qsweep::detail
