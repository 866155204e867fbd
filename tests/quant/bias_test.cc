#include "src/quant/bias.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

QuantizedWeight two_channels(Granularity granularity) {
  const std::vector<float> values = {0.5f, -1.0f, 1e-7f, -2e-7f};
  return quantize_weight(Tensor::of<float>(DType::f32, {2, 2}, values), {.output = 0, .input = 1},
                         {.dtype = DType::i8, .granularity = granularity});
}

double steps(float bias, float input_scale, float scale) {
  return std::fabs(static_cast<double>(bias)) /
         (static_cast<double>(input_scale) * static_cast<double>(scale));
}

constexpr double kLargest = std::numeric_limits<std::int32_t>::max();

TEST(BiasTest, a_bias_that_fits_changes_nothing) {
  QuantizedWeight weight = two_channels(Granularity::per_channel);
  const QuantParams before = weight.params;
  const float bias[] = {1.0f, 1e-6f};
  widen_for_bias(weight, bias, 0.01f);
  EXPECT_EQ(weight.params, before);
  widen_for_bias(weight, {}, 0.01f);
  EXPECT_EQ(weight.params, before);
}

TEST(BiasTest, only_the_channel_whose_bias_does_not_fit_is_widened) {
  QuantizedWeight weight = two_channels(Granularity::per_channel);
  const QuantParams before = weight.params;
  const Tensor codes = weight.codes;
  const float bias[] = {1.0f, 1.0f};
  ASSERT_GT(steps(bias[1], 1e-3f, before.scale[1]), kLargest);
  widen_for_bias(weight, bias, 1e-3f);
  EXPECT_EQ(weight.params.scale[0], before.scale[0]);
  EXPECT_LE(steps(bias[1], 1e-3f, weight.params.scale[1]), kLargest);
  EXPECT_GT(steps(bias[1], 1e-3f, weight.params.scale[1]), 0.999 * kLargest);
  EXPECT_EQ(weight.codes.data<std::int8_t>()[0], codes.data<std::int8_t>()[0]);
  // What the codes stand for stays within half a step.
  const Tensor real = weight.dequantized();
  EXPECT_NEAR(real.data<float>()[3], -2e-7f, 0.5f * weight.params.scale[1]);
}

TEST(BiasTest, one_scale_for_all_is_widened_for_the_largest_bias) {
  QuantizedWeight weight = two_channels(Granularity::per_tensor);
  const float bias[] = {1.0f, -1e9f};
  widen_for_bias(weight, bias, 1e-3f);
  ASSERT_EQ(weight.params.scale.size(), 1u);
  EXPECT_LE(steps(bias[1], 1e-3f, weight.params.scale[0]), kLargest);
  for (const std::int8_t code : weight.codes.data<std::int8_t>()) EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace qsweep
