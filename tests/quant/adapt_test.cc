#include "src/quant/adapt.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/random.h"

namespace qsweep {
namespace {

/// A layer of each kind with inputs whose channels differ in size.
struct Case {
  const char* name;
  Shape shape;
  WeightAxes axes;
  std::int64_t groups;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {{"conv", {8, 12, 3, 3}, {0, 1}, 1},
                                        {"grouped", {8, 4, 3, 3}, {0, 1}, 2},
                                        {"depthwise", {16, 1, 3, 3}, {0, 1}, 16},
                                        {"matmul", {32, 24}, {1, 0}, 1},
                                        {"gemm", {24, 32}, {0, 1}, 1}};
  return all;
}

Tensor random_weight(const Shape& shape, std::uint64_t seed) {
  Tensor weight(DType::f32, shape);
  Random random(seed);
  for (float& w : weight.mutable_data<float>()) w = static_cast<float>(random.normal());
  return weight;
}

/// Every fifth channel is `outlier` times larger.
LayerSample random_sample(const Case& c, float outlier, std::uint64_t seed, std::int64_t rows) {
  LayerSample sample;
  sample.groups = c.groups;
  sample.channels = c.shape[static_cast<std::size_t>(c.axes.input)] * c.groups;
  sample.area = c.shape.size() == 4 ? c.shape[2] * c.shape[3] : 1;
  Random random(seed);
  for (std::int64_t i = 0; i < rows * sample.channels * sample.area; ++i) {
    const bool large = i / sample.area % sample.channels % 5 == 2;
    sample.values.push_back(static_cast<float>(random.normal()) * (large ? outlier : 1.0f));
  }
  return sample;
}

std::vector<float> per_channel(const LayerSample& sample, bool largest) {
  std::vector<float> result(static_cast<std::size_t>(sample.channels), 0.0f);
  for (std::size_t i = 0; i < sample.values.size(); ++i) {
    float& r = result[i / static_cast<std::size_t>(sample.area) % result.size()];
    const float magnitude = std::abs(sample.values[i]);
    r = largest ? std::max(r, magnitude) : r + magnitude;
  }
  const auto count = static_cast<float>(sample.rows() * sample.area);
  if (!largest) {
    for (float& r : result) r /= count;
  }
  return result;
}

LayerSample scaled(LayerSample sample, const std::vector<float>& scale) {
  for (std::size_t i = 0; i < sample.values.size(); ++i)
    sample.values[i] *= 1.0f / scale[i / static_cast<std::size_t>(sample.area) % scale.size()];
  return sample;
}

/// The layer's outputs from the definition, [rows][outputs].
std::vector<double> outputs(const Case& c, const Tensor& weight, const LayerSample& sample) {
  const std::int64_t out = c.shape[static_cast<std::size_t>(c.axes.output)];
  const std::int64_t in = c.shape[static_cast<std::size_t>(c.axes.input)];
  std::vector<double> y;
  for (std::int64_t r = 0; r < sample.rows(); ++r) {
    for (std::int64_t o = 0; o < out; ++o) {
      double sum = 0.0;
      for (std::int64_t j = 0; j < in; ++j) {
        const std::int64_t channel = o / (out / c.groups) * in + j;
        for (std::int64_t p = 0; p < sample.area; ++p) {
          const std::int64_t row = c.axes.output == 0 ? o * in + j : j * out + o;
          sum += double{weight.data<float>()[static_cast<std::size_t>(row * sample.area + p)]} *
                 double{sample.values[static_cast<std::size_t>(
                     (r * sample.channels + channel) * sample.area + p)]};
        }
      }
      y.push_back(sum);
    }
  }
  return y;
}

double squared_error(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// The adapted layer's error, from the definition.
double error_of(const Case& c,
                const Tensor& weight,
                const LayerSample& sample,
                const Format& format,
                const Adaptation& adaptation) {
  const QuantizedWeight q = quantize_adapted(weight, c.axes, c.groups, format, adaptation);
  const LayerSample x = adaptation.scale.empty() ? sample : scaled(sample, adaptation.scale);
  return squared_error(outputs(c, weight, sample), outputs(c, q.dequantized(), x));
}

const Format kInt4{.dtype = DType::i4, .granularity = Granularity::per_channel};

TEST(AdaptTest, scaling_leaves_the_float_output_unchanged) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Tensor weight = random_weight(c.shape, 1);
    const LayerSample sample = random_sample(c, 30.0f, 2, 16);
    const std::vector<float> scale =
        smoothquant_scale(weight, c.axes, per_channel(sample, true), c.groups, 0.5);
    const std::vector<double> y = outputs(c, weight, sample);
    const std::vector<double> z =
        outputs(c, scale_inputs(weight, c.axes, c.groups, scale), scaled(sample, scale));
    double norm = 0.0;
    for (const double v : y) norm += v * v;
    EXPECT_LT(std::sqrt(squared_error(y, z) / norm), 1e-5);
  }
}

TEST(AdaptTest, reported_errors_are_the_layers_and_full_never_loses) {
  const Format blocks{.dtype = DType::i4, .granularity = Granularity::per_block, .block_size = 8};
  for (const Case& c : cases()) {
    for (const Format& format : {kInt4, blocks}) {
      SCOPED_TRACE(c.name);
      const Tensor weight = random_weight(c.shape, 3);
      const LayerSample sample = random_sample(c, 20.0f, 4, 24);
      const std::vector<float> mean = per_channel(sample, false);
      const Adaptation lite = awq_lite(weight, c.axes, format, mean, sample);
      const Adaptation clip = awq_clip(weight, c.axes, format, sample);
      const Adaptation full = awq_full(weight, c.axes, format, mean, sample);
      const double rtn = error_of(c, weight, sample, format, {});
      for (const Adaptation* a : {&lite, &clip, &full}) {
        const double error = error_of(c, weight, sample, format, *a);
        EXPECT_NEAR(error, a->error, 1e-4 * rtn);
        EXPECT_LE(error, rtn * (1.0 + 1e-6));
      }
      EXPECT_LE(full.error, std::min(lite.error, clip.error));
    }
  }
}

TEST(AdaptTest, lite_helps_where_some_input_channels_are_salient) {
  const Case& c = cases()[4];
  const Tensor weight = random_weight(c.shape, 5);
  const LayerSample sample = random_sample(c, 20.0f, 6, 64);
  const Adaptation lite = awq_lite(weight, c.axes, kInt4, per_channel(sample, false), sample);
  EXPECT_LT(lite.error, 0.7 * error_of(c, weight, sample, kInt4, {}));
}

TEST(AdaptTest, clip_helps_where_a_weight_sticks_out_on_a_quiet_channel) {
  const Case& c = cases()[4];
  Tensor weight = random_weight(c.shape, 7);
  LayerSample sample = random_sample(c, 1.0f, 8, 64);
  for (std::size_t o = 0; o < 24; ++o) weight.mutable_data<float>()[o * 32] = 8.0f;
  for (std::size_t r = 0; r < 64; ++r) sample.values[r * 32] *= 0.01f;
  const Adaptation clip = awq_clip(weight, c.axes, kInt4, sample);
  EXPECT_LT(clip.error, 0.7 * error_of(c, weight, sample, kInt4, {}));
}

/// Error of the layer with both operands at 8 bits.
double int8_error(const Case& c,
                  const Tensor& weight,
                  const LayerSample& sample,
                  const std::vector<float>& scale) {
  const Format w8{.dtype = DType::i8, .granularity = Granularity::per_channel};
  LayerSample x = scaled(sample, scale);
  const auto [low, high] = std::minmax_element(x.values.begin(), x.values.end());
  const QuantParams params = params_from_range(*low, *high, {.dtype = DType::i8});
  const Tensor rounded = fake_quantize(
      Tensor::of<float>(DType::f32, {static_cast<std::int64_t>(x.values.size())}, x.values),
      params);
  x.values.assign(rounded.data<float>().begin(), rounded.data<float>().end());
  const Tensor w = scale_inputs(weight, c.axes, c.groups, scale);
  return squared_error(outputs(c, weight, sample),
                       outputs(c, quantize_weight(w, c.axes, w8).dequantized(), x));
}

TEST(AdaptTest, smoothing_helps_where_some_activation_channels_stick_out) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Tensor weight = random_weight(c.shape, 9);
    const LayerSample sample = random_sample(c, 50.0f, 10, 32);
    const std::vector<float> ones(static_cast<std::size_t>(sample.channels), 1.0f);
    const std::vector<float> scale =
        smoothquant_scale(weight, c.axes, per_channel(sample, true), c.groups, 0.5);
    EXPECT_LT(int8_error(c, weight, sample, scale), 0.5 * int8_error(c, weight, sample, ones));
  }
}

TEST(AdaptTest, smoothing_factor_is_the_formula_and_silent_channels_are_left_alone) {
  const Tensor weight =
      Tensor::of<float>(DType::f32, {2, 3}, std::vector<float>{1, -4, 2, 0.5, 2, -1});
  const std::vector<float> largest = {16, 0, 8};
  const std::vector<float> scale = smoothquant_scale(weight, {0, 1}, largest, 1, 0.5);
  EXPECT_EQ(scale, (std::vector<float>{4.0f, 1.0f, 2.0f}));
}

TEST(AdaptTest, bias_correction_restores_the_mean_of_every_output) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Tensor weight = random_weight(c.shape, 11);
    LayerSample sample = random_sample(c, 1.0f, 12, 32);
    for (float& x : sample.values) x = std::abs(x);  // after a ReLU: rounding no longer cancels
    const Tensor rounded = quantize_weight(weight, c.axes, kInt4).dequantized();
    const std::vector<float> delta = bias_correction(weight, sample, rounded, sample, c.axes);
    const std::vector<double> y = outputs(c, weight, sample);
    const std::vector<double> z = outputs(c, rounded, sample);
    double largest = 0.0;
    for (std::size_t o = 0; o < delta.size(); ++o) {
      double before = 0.0;
      for (std::size_t i = o; i < y.size(); i += delta.size()) before += (y[i] - z[i]) / 32.0;
      EXPECT_NEAR(delta[o], before, 1e-4);
      largest = std::max(largest, std::abs(before));
    }
    EXPECT_GT(largest, 0.01);
  }
}

TEST(AdaptTest, operands_that_do_not_fit_are_refused) {
  const Tensor weight = random_weight({4, 6}, 13);
  const LayerSample sample{.channels = 5, .values = std::vector<float>(5, 1.0f)};
  EXPECT_THROW((void)awq_clip(weight, {0, 1}, kInt4, sample), Error);
  EXPECT_THROW((void)scale_inputs(weight, {0, 1}, 1, std::vector<float>(5, 1.0f)), Error);
  EXPECT_THROW((void)scale_inputs(weight, {0, 1}, 3, std::vector<float>(5, 1.0f)), Error);
}

}  // namespace
}  // namespace qsweep
