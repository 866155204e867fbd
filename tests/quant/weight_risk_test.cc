#include "src/quant/weight_risk.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

std::vector<float> normal_weights(std::size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

Tensor conv_weight(const std::vector<float>& values) {
  return Tensor::of<float>(DType::f32, {16, 16, 3, 3}, values);
}

TEST(WeightRiskTest, normal_weights_carry_none) {
  const WeightRisk risk = weight_risk(conv_weight(normal_weights(2304)), {0, 1});
  EXPECT_NEAR(risk.kurtosis, 3.0, 0.3);
  EXPECT_LT(risk.outlier_ratio, 1.5);
  EXPECT_LT(risk.channel_ratio, 1.5);
  EXPECT_FALSE(risk.outliers());
  EXPECT_FALSE(risk.uneven_channels());
}

TEST(WeightRiskTest, an_identity_branch_merged_into_the_kernel_shows_as_outliers) {
  // RepVGG adds the identity's 1 to the centre of the kernel that reads the channel it writes.
  auto values = normal_weights(2304);
  for (std::size_t c = 0; c < 2; ++c) values[(c * 16 + c) * 9 + 4] += 1.0f;
  const WeightRisk risk = weight_risk(conv_weight(values), {0, 1});
  EXPECT_TRUE(risk.outliers());
  EXPECT_GT(risk.kurtosis, 20.0);
}

TEST(WeightRiskTest, one_wide_channel_shows_as_uneven) {
  auto values = normal_weights(2304);
  for (std::size_t i = 0; i < 144; ++i) values[i] *= 30.0f;
  const WeightRisk risk = weight_risk(conv_weight(values), {0, 1});
  EXPECT_TRUE(risk.uneven_channels());
  EXPECT_GT(risk.channel_ratio, 20.0);
  EXPECT_LT(risk.channel_ratio, 45.0);
}

TEST(WeightRiskTest, channels_of_zeros_do_not_count) {
  auto values = normal_weights(2304);
  for (std::size_t i = 0; i < 9 * 144; ++i) values[i] = 0.0f;
  EXPECT_LT(weight_risk(conv_weight(values), {0, 1}).channel_ratio, 1.5);
}

TEST(WeightRiskTest, a_constant_weight_has_no_risk) {
  const Tensor flat = Tensor::of<float>(DType::f32, {2, 2}, std::vector<float>(4, 0.5f));
  EXPECT_EQ(weight_risk(flat, {0, 1}).kurtosis, 0.0);
  EXPECT_FALSE(weight_risk(flat, {0, 1}).outliers());
}

TEST(WeightRiskTest, channels_run_along_the_output_axis) {
  // [K, N] of a MatMul: column 1 is wide.
  const Tensor weight =
      Tensor::of<float>(DType::f32, {2, 3}, std::vector<float>{1, 50, -1, -1, 20, 1});
  EXPECT_DOUBLE_EQ(weight_risk(weight, {1, 0}).channel_ratio, 50.0);
}

}  // namespace
}  // namespace qsweep
