#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/quant/affine.h"
#include "src/quant/weight.h"

namespace qsweep {

/// Inputs of a layer as the products see them: each row holds, for every input channel of the whole
/// layer, the `area` values under the kernel (an im2col column, channel-major). Gemm and MatMul:
/// area 1, a row is an input vector.
struct LayerSample {
  std::int64_t channels = 0;  ///< of the layer's input, all groups
  std::int64_t area = 1;      ///< kernel positions per channel
  std::int64_t groups = 1;    ///< output channels of group g read input channels of group g
  std::vector<float> values;  ///< [rows][channels][area]

  [[nodiscard]] std::int64_t rows() const {
    return static_cast<std::int64_t>(values.size()) / (channels * area);
  }
};

/// What is done to a layer before its operands are rounded. In exact arithmetic the layer's output
/// does not change, save for `clip`, which limits the weight's range, and the bias delta.
struct Adaptation {
  /// By input channel: the weight's factor s; empty = all 1. The input's factor is 1 / s.
  std::vector<float> scale;
  /// By weight slice (QuantParams::scale order): share of the range kept; empty = all 1.
  std::vector<float> clip;
  double error = 0.0;  ///< squared output error over the sample
};

/// The weight with input channel j multiplied by scale[j].
/// @throws Error(usage) when the scales do not fit the weight.
[[nodiscard]] Tensor scale_inputs(const Tensor& weight,
                                  WeightAxes axes,
                                  std::int64_t groups,
                                  std::span<const float> scale);

/// The weight at `format` after the adaptation.
[[nodiscard]] QuantizedWeight quantize_adapted(const Tensor& weight,
                                               WeightAxes axes,
                                               std::int64_t groups,
                                               const Format& format,
                                               const Adaptation& adaptation);

/// Activation-aware scales (Lin et al. 2023, arXiv 2306.00978): s = mean|x|^alpha, normalised to
/// sqrt(max s * min s) = 1, for 20 alphas in [0, 1); the one with the least output error over the
/// sample. alpha 0 is plain rounding, so it never loses to that on the sample.
[[nodiscard]] Adaptation awq_lite(const Tensor& weight,
                                  WeightAxes axes,
                                  const Format& format,
                                  std::span<const float> mean_magnitude,
                                  const LayerSample& sample);

/// Per slice, the share of the range with the least output error; never worse than plain rounding
/// on the sample.
[[nodiscard]] Adaptation awq_clip(const Tensor& weight,
                                  WeightAxes axes,
                                  const Format& format,
                                  const LayerSample& sample);

/// awq_lite, then awq_clip of the scaled weight; never worse than either on the sample.
[[nodiscard]] Adaptation awq_full(const Tensor& weight,
                                  WeightAxes axes,
                                  const Format& format,
                                  std::span<const float> mean_magnitude,
                                  const LayerSample& sample);

/// SmoothQuant's factors (Xiao et al. 2022, arXiv 2211.10438): s_j = max|x_j|^alpha /
/// max|w_j|^(1 - alpha). A channel whose input or weight is all 0 keeps factor 1.
[[nodiscard]] std::vector<float> smoothquant_scale(const Tensor& weight,
                                                   WeightAxes axes,
                                                   std::span<const float> largest_input,
                                                   std::int64_t groups,
                                                   double alpha);

/// What to add to the bias so that the mean of each output channel over the sample is that of the
/// exact layer (empirical bias correction, Nagel et al. 2019, arXiv 1906.04721). `quantized` and
/// `quantized_sample` are what the products see: both in the scaled domain.
[[nodiscard]] std::vector<float> bias_correction(const Tensor& weight,
                                                 const LayerSample& sample,
                                                 const Tensor& quantized,
                                                 const LayerSample& quantized_sample,
                                                 WeightAxes axes);

}  // namespace qsweep
