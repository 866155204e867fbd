#include "src/quant/adapt.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr int kAlphas = 20;
constexpr int kClips = 20;
constexpr int kSmoothSteps = 10;
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

/// A sample turned so that what a weight element multiplies lies in one piece.
class Columns {
 public:
  explicit Columns(const LayerSample& sample) : rows_(static_cast<std::size_t>(sample.rows())) {
    const std::size_t width = sample.values.size() / rows_;
    values_.resize(sample.values.size());
    for (std::size_t r = 0; r < rows_; ++r) {
      for (std::size_t k = 0; k < width; ++k) values_[k * rows_ + r] = sample.values[r * width + k];
    }
  }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  /// y[r] += factor * x[r][k]
  void add(std::int64_t k, double factor, std::vector<double>& y) const {
    const float* x = values_.data() + static_cast<std::size_t>(k) * rows_;
    double* out = y.data();
    for (std::size_t r = 0; r < rows_; ++r) out[r] += factor * double{x[r]};
  }

 private:
  std::size_t rows_;
  std::vector<float> values_;
};

double squared(const std::vector<double>& y) {
  double sum = 0.0;
  for (const double v : y) sum += v * v;
  return sum;
}

/// The squares of all outputs. @param add (input channel, place in the weight, y): adds to y what
/// one element of the weight contributes
template <class Add>
double squared_outputs(const View& view, std::size_t rows, const Add& add) {
  std::vector<double> y(rows);
  double sum = 0.0;
  for (std::int64_t o = 0; o < view.outputs(); ++o) {
    std::ranges::fill(y, 0.0);
    for (std::int64_t k = 0; k < view.depth(); ++k) add(view.first(o) + k, view.at(o, k), y);
    sum += squared(y);
  }
  return sum;
}

/// The squared difference of two weights' outputs, both applied to the same inputs.
double output_error(const Tensor& weight,
                    const Tensor& replacement,
                    const View& view,
                    const Columns& x) {
  const auto w = weight.data<float>();
  const auto q = replacement.data<float>();
  return squared_outputs(view, x.rows(), [&](std::int64_t k, std::size_t at, auto& y) {
    x.add(k, double{w[at]} - double{q[at]}, y);
  });
}

/// The same where the second weight is applied to inputs of its own.
double output_error(const Tensor& weight,
                    const Columns& x,
                    const Tensor& replacement,
                    const Columns& replacement_x,
                    const View& view) {
  const auto w = weight.data<float>();
  const auto q = replacement.data<float>();
  return squared_outputs(view, x.rows(), [&](std::int64_t k, std::size_t at, auto& y) {
    x.add(k, double{w[at]}, y);
    replacement_x.add(k, -double{q[at]}, y);
  });
}

/// The output error of a weight-only adaptation: the rounded weight in the unscaled domain against
/// the weight itself.
double adapted_error(const Tensor& weight,
                     WeightAxes axes,
                     const Format& format,
                     std::int64_t groups,
                     const Columns& x,
                     const Adaptation& adaptation) {
  Tensor rounded = quantize_adapted(weight, axes, groups, format, adaptation).dequantized();
  if (!adaptation.scale.empty())
    rounded = scale_inputs(rounded, axes, groups, adaptation.input_factor());
  return output_error(weight, rounded, View(weight.shape(), axes, groups), x);
}

LayerSample scaled(LayerSample sample, std::span<const float> factor) {
  const auto area = static_cast<std::size_t>(sample.area);
  for (std::size_t i = 0; i < sample.values.size(); ++i)
    sample.values[i] *= factor[i / area % factor.size()];
  return sample;
}

/// The range of the input after the adaptation's scales.
void set_range(Adaptation& adaptation, const LayerInputs& inputs) {
  const std::vector<float> factor = adaptation.input_factor();
  adaptation.low = adaptation.high = 0.0f;
  for (std::size_t c = 0; c < inputs.low.size(); ++c) {
    const float f = factor.empty() ? 1.0f : factor[c];
    adaptation.low = std::min(adaptation.low, inputs.low[c] * f);
    adaptation.high = std::max(adaptation.high, inputs.high[c] * f);
  }
}

/// The sample as the products see it after scaling and rounding.
LayerSample rounded_sample(const LayerSample& sample,
                           const Adaptation& adaptation,
                           const QuantParams& activation) {
  LayerSample result =
      adaptation.scale.empty() ? sample : scaled(sample, adaptation.input_factor());
  QuantParams params = activation;
  params.axis = 1;  // of the channels, should blocks run along them
  const Tensor x = fake_quantize(
      Tensor::of<float>(DType::f32, {result.rows(), result.channels, result.area}, result.values),
      params);
  const Tensor rounded = x.to_layout(Layout::row_major);
  result.values.assign(rounded.data<float>().begin(), rounded.data<float>().end());
  return result;
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
                                 const Adaptation& adaptation,
                                 WeightAlgorithm algorithm) {
  const Tensor scaled_weight =
      adaptation.scale.empty() ? weight : scale_inputs(weight, axes, groups, adaptation.scale);
  return adaptation.clip.empty() ? quantize_weight(scaled_weight, axes, format, algorithm)
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
  const Columns x(sample);
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
    candidate.error = adapted_error(weight, axes, format, sample.groups, x, candidate);
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
  const Columns x(sample);
  Adaptation plain;
  plain.error = adapted_error(weight, axes, format, sample.groups, x, plain);
  const std::vector<std::uint32_t> slice_of = weight_slices(weight.shape(), axes, format);
  if (slice_of.empty()) return plain;  // no scale, no range to clip
  const std::size_t slices = *std::max_element(slice_of.begin(), slice_of.end()) + std::size_t{1};
  std::vector<double> least(slices, std::numeric_limits<double>::infinity());
  Adaptation best;
  best.clip.assign(slices, 1.0f);
  std::vector<double> part(x.rows());
  std::vector<std::int64_t> order(static_cast<std::size_t>(view.depth()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto w = weight.data<float>();
  for (int step = 0; step <= kClips; ++step) {
    const auto share = static_cast<float>(1.0 - (1.0 - kLeastShare) * step / kClips);
    const Tensor rounded =
        quantize_clipped(weight, axes, format, std::vector<float>(slices, share)).dequantized();
    const auto q = rounded.data<float>();
    std::vector<double> error(slices, 0.0);
    for (std::int64_t o = 0; o < view.outputs(); ++o) {
      // Elements of one slice after another: each slice's part of the output on its own.
      std::ranges::stable_sort(order, {}, [&](std::int64_t k) { return slice_of[view.at(o, k)]; });
      std::ranges::fill(part, 0.0);
      for (std::size_t i = 0; i < order.size(); ++i) {
        const std::size_t at = view.at(o, order[i]);
        x.add(view.first(o) + order[i], double{w[at]} - double{q[at]}, part);
        const bool last =
            i + 1 == order.size() || slice_of[view.at(o, order[i + 1])] != slice_of[at];
        if (!last) continue;
        error[slice_of[at]] += squared(part);
        std::ranges::fill(part, 0.0);
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
  best.error = adapted_error(weight, axes, format, sample.groups, x, best);
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
                             scaled(sample, lite.input_factor()));
  both.scale = lite.scale;
  both.error = adapted_error(weight, axes, format, sample.groups, Columns(sample), both);
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

Adaptation smoothquant_auto(const Tensor& weight,
                            WeightAxes axes,
                            const Precision& precision,
                            const LayerInputs& inputs) {
  const View view(weight.shape(), axes, inputs.sample.groups);
  check_sample(view, inputs.sample);
  const Columns x(inputs.sample);
  const std::vector<float> largest = inputs.largest();
  Adaptation best;
  for (int step = -1; step <= kSmoothSteps; ++step) {
    Adaptation candidate;
    if (step >= 0) {
      candidate.scale = smoothquant_scale(weight, axes, largest, inputs.sample.groups,
                                          static_cast<double>(step) / kSmoothSteps);
    }
    set_range(candidate, inputs);
    const Tensor rounded =
        quantize_adapted(weight, axes, inputs.sample.groups, precision.weight, candidate)
            .dequantized();
    const QuantParams range =
        params_from_range(candidate.low, candidate.high, precision.activation);
    const Columns rounded_x(rounded_sample(inputs.sample, candidate, range));
    candidate.error = output_error(weight, x, rounded, rounded_x, view);
    if (step < 0 || candidate.error < best.error) best = std::move(candidate);
  }
  return best;
}

std::string describe(const WeightSettings& settings) {
  std::string text(name_of(settings.algorithm));
  if (settings.algorithm == WeightAlgorithm::smoothquant) {
    text += settings.smoothquant_alpha ? fmt::format(" alpha {}", *settings.smoothquant_alpha)
                                       : " alpha auto";
  }
  if (settings.bias_correction) text += " + bias correction";
  return text;
}

bool scales_input(const WeightSettings& settings, const Precision& precision) {
  switch (settings.algorithm) {
    case WeightAlgorithm::awq_lite:
    case WeightAlgorithm::awq_full:
      return has_scale(precision.weight);
    case WeightAlgorithm::smoothquant:
      return has_scale(precision.weight) && is_integer(precision.activation.dtype);
    default:
      return false;
  }
}

bool adapts(const WeightSettings& settings, const Precision& precision) {
  const bool rounds = precision.weight.is_quantized() || precision.activation.is_quantized();
  const bool clips = settings.algorithm == WeightAlgorithm::awq_clip && has_scale(precision.weight);
  return scales_input(settings, precision) || clips || (settings.bias_correction && rounds);
}

Adaptation adapt_layer(const Tensor& weight,
                       WeightAxes axes,
                       const Precision& precision,
                       const WeightSettings& settings,
                       const LayerInputs& inputs,
                       const QuantParams& activation) {
  const LayerSample& sample = inputs.sample;
  const Format& format = precision.weight;
  Adaptation result;
  if (settings.algorithm == WeightAlgorithm::awq_clip && has_scale(format)) {
    result = awq_clip(weight, axes, format, sample);
  } else if (scales_input(settings, precision)) {
    if (settings.algorithm == WeightAlgorithm::awq_lite) {
      result = awq_lite(weight, axes, format, inputs.mean_magnitude(), sample);
    } else if (settings.algorithm == WeightAlgorithm::awq_full) {
      result = awq_full(weight, axes, format, inputs.mean_magnitude(), sample);
    } else if (settings.smoothquant_alpha) {
      result.scale = smoothquant_scale(weight, axes, inputs.largest(), sample.groups,
                                       *settings.smoothquant_alpha);
    } else {
      result = smoothquant_auto(weight, axes, precision, inputs);
    }
  }
  set_range(result, inputs);
  if (settings.bias_correction) {
    const Tensor rounded =
        quantize_adapted(weight, axes, sample.groups, format, result, settings.algorithm)
            .dequantized();
    const QuantParams range =
        result.scale.empty() ? activation
                             : params_from_range(result.low, result.high, precision.activation);
    result.bias =
        bias_correction(weight, sample, rounded, rounded_sample(sample, result, range), axes);
  }
  return result;
}

std::vector<float> Adaptation::input_factor() const {
  std::vector<float> factor;
  for (const float s : scale) factor.push_back(1.0f / s);
  return factor;
}

void Adaptation::write(ByteWriter& out) const {
  for (const auto* values : {&scale, &clip, &bias}) {
    out.u64(values->size());
    out.raw(std::as_bytes(std::span(*values)));
  }
  out.f32(low);
  out.f32(high);
  out.f64(error);
}

Adaptation Adaptation::read(ByteReader& in) {
  Adaptation a;
  for (auto* values : {&a.scale, &a.clip, &a.bias}) {
    const std::uint64_t count = in.u64();
    if (count > in.remaining() / sizeof(float))
      throw Error(ErrorCode::corrupt_input, "a record claims more values than it holds");
    values->resize(count);
    const ByteView raw = in.raw(count * sizeof(float));
    std::copy(raw.begin(), raw.end(), std::as_writable_bytes(std::span(*values)).begin());
  }
  a.low = in.f32();
  a.high = in.f32();
  a.error = in.f64();
  return a;
}

Tensor scale_channels(const Tensor& x, int axis, std::span<const float> factor) {
  const int at = axis < 0 ? x.rank() + axis : axis;
  const auto channels = static_cast<std::size_t>(x.dim(at));
  if (channels != factor.size())
    throw Error(ErrorCode::usage, "there must be one factor per channel");
  // Physically the channels of a channels_last tensor are its last axis.
  const bool is_last = x.layout() == Layout::channels_last && at == 1;
  QSWEEP_CHECK(is_last || x.layout() == Layout::row_major);
  std::size_t inner = 1;
  for (int i = at + 1; i < x.rank() && !is_last; ++i) inner *= static_cast<std::size_t>(x.dim(i));
  Tensor result(DType::f32, x.shape(), x.layout());
  const auto in = x.data<float>();
  const auto out = result.mutable_data<float>();
  for (std::size_t i = 0; i < in.size();) {
    for (const float f : factor) {
      for (const std::size_t end = i + inner; i < end; ++i) out[i] = in[i] * f;
    }
  }
  return result;
}

}  // namespace qsweep
