#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/affine.h"
#include "src/quant/layer_inputs.h"
#include "src/quant/weight.h"

namespace qsweep {

/// What is done to a layer before its operands are rounded. In exact arithmetic the layer's output
/// does not change, save for `clip`, which limits the weight's range, and the bias delta.
struct Adaptation {
  /// By input channel: the weight's factor s; empty = all 1. The input's factor is 1 / s.
  std::vector<float> scale;
  /// By weight slice (QuantParams::scale order): share of the range kept; empty = all 1.
  std::vector<float> clip;
  /// Range of the scaled input over the calibration images; used where `scale` is not empty.
  float low = 0.0f, high = 0.0f;
  std::vector<float> bias;  ///< by output channel: what to add to the bias; empty = nothing
  double error = 0.0;       ///< squared output error over the sample

  [[nodiscard]] bool changes_weight() const { return !scale.empty() || !clip.empty(); }
  /// The input's factors, 1 / s; empty when there are none.
  [[nodiscard]] std::vector<float> input_factor() const;

  void write(ByteWriter& out) const;
  /// @throws Error(corrupt_input)
  static Adaptation read(ByteReader& in);
  friend bool operator==(const Adaptation&, const Adaptation&) = default;
};

/// A job's choice of weights.
struct WeightSettings {
  WeightAlgorithm algorithm = WeightAlgorithm::rtn;
  /// SmoothQuant's share of the input's range that moves into the weight; none: chosen by layer.
  std::optional<double> smoothquant_alpha = 0.5;
  bool bias_correction = false;
};

/// `rtn`, `smoothquant alpha 0.5`, `awq_lite + bias correction`: equal texts mean equal weights.
[[nodiscard]] std::string describe(const WeightSettings& settings);

/// True when layers at this precision are adapted: AWQ where the weight has scales, SmoothQuant
/// where integers are multiplied, bias correction where an operand is rounded.
[[nodiscard]] bool adapts(const WeightSettings& settings, const Precision& precision);
/// True when their input is scaled.
[[nodiscard]] bool scales_input(const WeightSettings& settings, const Precision& precision);

/// Everything the settings ask of one layer at one precision.
/// @param activation how the input is rounded when it is not scaled
[[nodiscard]] Adaptation adapt_layer(const Tensor& weight,
                                     WeightAxes axes,
                                     const Precision& precision,
                                     const WeightSettings& settings,
                                     const LayerInputs& inputs,
                                     const QuantParams& activation);

/// x with channel j of `axis` (negative: from the end) multiplied by factor[j]; the layout stays.
[[nodiscard]] Tensor scale_channels(const Tensor& x, int axis, std::span<const float> factor);

/// The weight with input channel j multiplied by scale[j].
/// @throws Error(usage) when the scales do not fit the weight.
[[nodiscard]] Tensor scale_inputs(const Tensor& weight,
                                  WeightAxes axes,
                                  std::int64_t groups,
                                  std::span<const float> scale);

/// The weight at `format` after the adaptation; scales are chosen by `algorithm` (rtn or mse) where
/// it clips nothing.
[[nodiscard]] QuantizedWeight quantize_adapted(const Tensor& weight,
                                               WeightAxes axes,
                                               std::int64_t groups,
                                               const Format& format,
                                               const Adaptation& adaptation,
                                               WeightAlgorithm algorithm = WeightAlgorithm::rtn);

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

/// The scales, of alpha 0, 0.1 ... 1 or none at all, with the least output error over the sample
/// when weight and input are rounded; the input to its range over the calibration images.
[[nodiscard]] Adaptation smoothquant_auto(const Tensor& weight,
                                          WeightAxes axes,
                                          const Precision& precision,
                                          const LayerInputs& inputs);

/// What to add to the bias so that the mean of each output channel over the sample is that of the
/// exact layer (empirical bias correction, Nagel et al. 2019, arXiv 1906.04721). `quantized` and
/// `quantized_sample` are what the products see: both in the scaled domain.
[[nodiscard]] std::vector<float> bias_correction(const Tensor& weight,
                                                 const LayerSample& sample,
                                                 const Tensor& quantized,
                                                 const LayerSample& quantized_sample,
                                                 WeightAxes axes);

}  // namespace qsweep
