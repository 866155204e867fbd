#include "src/quant/adapt.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr int kAlphas = 20;
constexpr int kClips = 20;
constexpr double kLeastShare = 0.5;
constexpr double kLeastMagnitude = 1e-4;  ///< a channel this quiet is as good as silent

/// A weight as the products see it: output o times position k of its group's input channels.
class View {
 public:
  View(const Shape& shape, WeightAxes axes, std::int64_t groups) {
    const auto extent = [&](int axis) { return shape.at(static_cast<std::size_t>(axis)); };
    const std::int64_t area =
        element_count(shape) / std::max<std::int64_t>(1, extent(axes.output) * extent(axes.input));
    if (std::min(axes.output, axes.input) != 0 || std::max(axes.output, axes.input) != 1 ||
        groups < 1 || extent(axes.output) % groups != 0 || (axes.output == 1 && groups != 1)) {
      throw Error(ErrorCode::usage, "a weight of shape " + to_string(shape) +
                                        " cannot be adapted over " + std::to_string(groups) +
                                        " groups");
    }
    outputs_ = extent(axes.output);
    inputs_ = extent(axes.input);
    area_ = area;
    groups_ = groups;
    output_stride_ = axes.output == 0 ? inputs_ * area : area;
    input_stride_ = axes.output == 0 ? area : outputs_ * area;
  }
  [[nodiscard]] std::int64_t outputs() const { return outputs_; }
  [[nodiscard]] std::int64_t channels() const { return inputs_ * groups_; }
  [[nodiscard]] std::int64_t area() const { return area_; }
  [[nodiscard]] std::int64_t depth() const { return inputs_ * area_; }  ///< products per output
  [[nodiscard]] std::int64_t group(std::int64_t o) const { return o / (outputs_ / groups_); }
  /// First element of a sample's row that output o reads; it reads depth() of them.
  [[nodiscard]] std::int64_t first(std::int64_t o) const { return group(o) * depth(); }
  [[nodiscard]] std::size_t at(std::int64_t o, std::int64_t k) const {
    return static_cast<std::size_t>(o * output_stride_ + k / area_ * input_stride_ + k % area_);
  }
  [[nodiscard]] std::size_t channel(std::int64_t o, std::int64_t k) const {
    return static_cast<std::size_t>(group(o) * inputs_ + k / area_);
  }

 private:
  std::int64_t outputs_ = 0, inputs_ = 0, area_ = 1, groups_ = 1;
  std::int64_t output_stride_ = 0, input_stride_ = 0;
};

void check_sample(const View& view, const LayerSample& sample) {
  const bool fits =
      sample.channels == view.channels() && sample.area == view.area() && sample.channels > 0 &&
      !sample.values.empty() &&
      static_cast<std::int64_t>(sample.values.size()) % (sample.channels * sample.area) == 0;
  if (!fits) throw Error(ErrorCode::usage, "the sample of inputs does not fit the weight");
}

const float* row(const LayerSample& sample, std::int64_t r) {
  return sample.values.data() + r * sample.channels * sample.area;
}

/// The error of a weight that replaces `weight`, both applied to the same inputs.
double output_error(const Tensor& weight,
                    const Tensor& replacement,
                    const View& view,
                    const LayerSample& sample) {
  const auto w = weight.data<float>();
  const auto q = replacement.data<float>();
  std::vector<double> difference(static_cast<std::size_t>(view.depth()));
  double sum = 0.0;
  for (std::int64_t o = 0; o < view.outputs(); ++o) {
    for (std::size_t k = 0; k < difference.size(); ++k) {
      const std::size_t at = view.at(o, static_cast<std::int64_t>(k));
      difference[k] = double{w[at]} - double{q[at]};
    }
    for (std::int64_t r = 0; r < sample.rows(); ++r) {
      const float* x = row(sample, r) + view.first(o);
      double y = 0.0;
      for (std::size_t k = 0; k < difference.size(); ++k) y += difference[k] * double{x[k]};
      sum += y * y;
    }
  }
  return sum;
}

std::vector<float> inverse(std::span<const float> scale) {
  std::vector<float> result;
  for (const float s : scale) result.push_back(1.0f / s);
  return result;
}

/// The output error of a weight-only adaptation: the rounded weight in the unscaled domain against
/// the weight itself.
double adapted_error(const Tensor& weight,
                     WeightAxes axes,
                     const Format& format,
                     const LayerSample& sample,
                     const Adaptation& adaptation) {
  Tensor rounded = quantize_adapted(weight, axes, sample.groups, format, adaptation).dequantized();
  if (!adaptation.scale.empty())
    rounded = scale_inputs(rounded, axes, sample.groups, inverse(adaptation.scale));
  return output_error(weight, rounded, View(weight.shape(), axes, sample.groups), sample);
}

LayerSample scaled(LayerSample sample, std::span<const float> factor) {
  const auto area = static_cast<std::size_t>(sample.area);
  for (std::size_t i = 0; i < sample.values.size(); ++i)
    sample.values[i] *= factor[i / area % factor.size()];
  return sample;
}

}  // namespace

Tensor scale_inputs(const Tensor& weight,
                    WeightAxes axes,
                    std::int64_t groups,
                    std::span<const float> scale) {
  const View view(weight.shape(), axes, groups);
  if (static_cast<std::int64_t>(scale.size()) != view.channels())
    throw Error(ErrorCode::usage, "there must be one scale per input channel");
  Tensor result = Tensor::of(DType::f32, weight.shape(), weight.data<float>());
  const auto values = result.mutable_data<float>();
  for (std::int64_t o = 0; o < view.outputs(); ++o) {
    for (std::int64_t k = 0; k < view.depth(); ++k)
      values[view.at(o, k)] *= scale[view.channel(o, k)];
  }
  return result;
}

QuantizedWeight quantize_adapted(const Tensor& weight,
                                 WeightAxes axes,
                                 std::int64_t groups,
                                 const Format& format,
                                 const Adaptation& adaptation) {
  const Tensor scaled_weight =
      adaptation.scale.empty() ? weight : scale_inputs(weight, axes, groups, adaptation.scale);
  return adaptation.clip.empty() ? quantize_weight(scaled_weight, axes, format)
                                 : quantize_clipped(scaled_weight, axes, format, adaptation.clip);
}

Adaptation awq_lite(const Tensor& weight,
                    WeightAxes axes,
                    const Format& format,
                    std::span<const float> mean_magnitude,
                    const LayerSample& sample) {
  const View view(weight.shape(), axes, sample.groups);
  check_sample(view, sample);
  if (static_cast<std::int64_t>(mean_magnitude.size()) != view.channels())
    throw Error(ErrorCode::usage, "there must be one mean magnitude per input channel");
  Adaptation best;
  best.error = std::numeric_limits<double>::infinity();
  for (int step = 0; step < kAlphas; ++step) {
    Adaptation candidate;
    if (step > 0) {
      const double alpha = static_cast<double>(step) / kAlphas;
      double low = std::numeric_limits<double>::infinity();
      double high = 0.0;
      for (const float m : mean_magnitude) {
        const double s = std::pow(std::max(double{m}, kLeastMagnitude), alpha);
        low = std::min(low, s);
        high = std::max(high, s);
        candidate.scale.push_back(static_cast<float>(s));
      }
      const double middle = std::sqrt(low * high);
      for (float& s : candidate.scale) s = static_cast<float>(double{s} / middle);
    }
    candidate.error = adapted_error(weight, axes, format, sample, candidate);
    if (candidate.error < best.error) best = std::move(candidate);
  }
  return best;
}

Adaptation awq_clip(const Tensor& weight,
                    WeightAxes axes,
                    const Format& format,
                    const LayerSample& sample) {
  const View view(weight.shape(), axes, sample.groups);
  check_sample(view, sample);
  Adaptation plain;
  plain.error = adapted_error(weight, axes, format, sample, plain);
  const std::vector<std::uint32_t> slice_of = weight_slices(weight.shape(), axes, format);
  if (slice_of.empty()) return plain;  // no scale, no range to clip
  const std::size_t slices = *std::max_element(slice_of.begin(), slice_of.end()) + std::size_t{1};
  std::vector<double> least(slices, std::numeric_limits<double>::infinity());
  Adaptation best;
  best.clip.assign(slices, 1.0f);
  const auto w = weight.data<float>();
  for (int step = 0; step <= kClips; ++step) {
    const auto share = static_cast<float>(1.0 - (1.0 - kLeastShare) * step / kClips);
    const Tensor rounded =
        quantize_clipped(weight, axes, format, std::vector<float>(slices, share)).dequantized();
    const auto q = rounded.data<float>();
    std::vector<double> error(slices, 0.0);
    std::vector<double> part(slices, 0.0);
    std::vector<std::size_t> touched;
    for (std::int64_t o = 0; o < view.outputs(); ++o) {
      touched.clear();
      for (std::int64_t k = 0; k < view.depth(); ++k) touched.push_back(slice_of[view.at(o, k)]);
      std::sort(touched.begin(), touched.end());
      touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
      for (std::int64_t r = 0; r < sample.rows(); ++r) {
        const float* x = row(sample, r) + view.first(o);
        for (const std::size_t s : touched) part[s] = 0.0;
        for (std::int64_t k = 0; k < view.depth(); ++k) {
          const std::size_t at = view.at(o, k);
          part[slice_of[at]] += (double{w[at]} - double{q[at]}) * double{x[k]};
        }
        for (const std::size_t s : touched) error[s] += part[s] * part[s];
      }
    }
    for (std::size_t s = 0; s < slices; ++s) {
      if (error[s] < least[s]) {
        least[s] = error[s];
        best.clip[s] = share;
      }
    }
  }
  // Blocks of one output were searched apart; their errors may add up.
  best.error = adapted_error(weight, axes, format, sample, best);
  return best.error < plain.error ? best : plain;
}

Adaptation awq_full(const Tensor& weight,
                    WeightAxes axes,
                    const Format& format,
                    std::span<const float> mean_magnitude,
                    const LayerSample& sample) {
  const Adaptation lite = awq_lite(weight, axes, format, mean_magnitude, sample);
  const Adaptation clip = awq_clip(weight, axes, format, sample);
  Adaptation best = clip.error < lite.error ? clip : lite;
  if (lite.scale.empty()) return best;
  Adaptation both = awq_clip(scale_inputs(weight, axes, sample.groups, lite.scale), axes, format,
                             scaled(sample, inverse(lite.scale)));
  both.scale = lite.scale;
  both.error = adapted_error(weight, axes, format, sample, both);
  return both.error < best.error ? both : best;
}

std::vector<float> smoothquant_scale(const Tensor& weight,
                                     WeightAxes axes,
                                     std::span<const float> largest_input,
                                     std::int64_t groups,
                                     double alpha) {
  const View view(weight.shape(), axes, groups);
  if (static_cast<std::int64_t>(largest_input.size()) != view.channels())
    throw Error(ErrorCode::usage, "there must be one largest input per input channel");
  std::vector<float> largest_weight(largest_input.size(), 0.0f);
  const auto w = weight.data<float>();
  for (std::int64_t o = 0; o < view.outputs(); ++o) {
    for (std::int64_t k = 0; k < view.depth(); ++k) {
      float& largest = largest_weight[view.channel(o, k)];
      largest = std::max(largest, std::abs(w[view.at(o, k)]));
    }
  }
  std::vector<float> scale(largest_input.size(), 1.0f);
  for (std::size_t j = 0; j < scale.size(); ++j) {
    if (largest_input[j] <= 0.0f || largest_weight[j] <= 0.0f) continue;
    const double s = std::pow(double{largest_input[j]}, alpha) /
                     std::pow(double{largest_weight[j]}, 1.0 - alpha);
    scale[j] = static_cast<float>(std::clamp(s, 1e-5, 1e5));
  }
  return scale;
}

std::vector<float> bias_correction(const Tensor& weight,
                                   const LayerSample& sample,
                                   const Tensor& quantized,
                                   const LayerSample& quantized_sample,
                                   WeightAxes axes) {
  const View view(weight.shape(), axes, sample.groups);
  check_sample(view, sample);
  check_sample(view, quantized_sample);
  QSWEEP_CHECK(sample.rows() == quantized_sample.rows());
  const auto w = weight.data<float>();
  const auto q = quantized.data<float>();
  std::vector<float> delta;
  for (std::int64_t o = 0; o < view.outputs(); ++o) {
    double sum = 0.0;
    for (std::int64_t r = 0; r < sample.rows(); ++r) {
      const float* x = row(sample, r) + view.first(o);
      const float* rounded = row(quantized_sample, r) + view.first(o);
      for (std::int64_t k = 0; k < view.depth(); ++k) {
        const std::size_t at = view.at(o, k);
        sum += double{w[at]} * double{x[k]} - double{q[at]} * double{rounded[k]};
      }
    }
    delta.push_back(static_cast<float>(sum / static_cast<double>(sample.rows())));
  }
  return delta;
}

}  // namespace qsweep
