#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include <gtest/gtest.h>

#include "src/quant/affine.h"
#include "src/quant/weight.h"

namespace qsweep {
namespace {

/// Intel's VPMADDUBSW: products of u8 and s8, neighbours added and saturated to 16 bits. Processors
/// without VNNI accumulate integer layers through it.
std::int16_t maddubs(std::uint8_t a0, std::uint8_t a1, std::int8_t b0, std::int8_t b1) {
  return static_cast<std::int16_t>(
      std::clamp(int{a0} * int{b0} + int{a1} * int{b1}, -32768, 32767));
}

struct Sums {
  std::int32_t exact = 0, saturated = 0;
};

Sums dot(const Tensor& activations, const Tensor& weights) {
  Sums s;
  const auto a = activations.data<std::uint8_t>();
  const auto w = weights.data<std::int8_t>();
  for (std::size_t i = 0; i + 1 < a.size(); i += 2) {
    s.exact += int{a[i]} * int{w[i]} + int{a[i + 1]} * int{w[i + 1]};
    s.saturated += maddubs(a[i], a[i + 1], w[i], w[i + 1]);
  }
  return s;
}

struct Operands {
  Tensor activations, weights;
};

/// Large values of one sign, as after a ReLU, and weights that reach the ends of their range.
Operands operands(bool reduce_range) {
  std::mt19937 generator(5);
  std::uniform_real_distribution<float> values(0.5f, 1.0f);
  Tensor x(DType::f32, {64}), w(DType::f32, {64});
  for (float& v : x.mutable_data<float>()) v = values(generator);
  for (float& v : w.mutable_data<float>()) v = values(generator);
  const Precision p = parse_precision("W8A8:tensor", {.weight_reduce_range = reduce_range});
  return {quantize(x, params_from_range(0.0f, 1.0f, p.activation)),
          quantize_weight(w.reshaped({1, 64}), {0, 1}, p.weight).codes.reshaped({64})};
}

TEST(SaturationTest, eight_bit_weights_overflow_sixteen_bit_pairs) {
  const Operands o = operands(false);
  const Sums s = dot(o.activations, o.weights);
  EXPECT_LT(s.saturated, s.exact);
}

TEST(SaturationTest, reduced_range_leaves_room_for_every_pair) {
  const Operands o = operands(true);
  const Sums s = dot(o.activations, o.weights);
  EXPECT_EQ(s.saturated, s.exact);
  // The worst pair there is.
  const CodeRange range = code_range(
      parse_precision("W8A8", {.weight_symmetric = false, .weight_reduce_range = true}).weight);
  for (const std::int32_t w : {range.lowest, range.highest}) {
    const auto code = static_cast<std::int8_t>(w);
    EXPECT_EQ(maddubs(255, 255, code, code), 2 * 255 * w);
  }
}

TEST(SaturationTest, a_relu_tensor_has_zero_point_zero_and_finer_steps_than_symmetric_int8) {
  const QuantParams u = params_from_range(0.0f, 6.0f, parse_precision("W8A8U").activation);
  const QuantParams s = params_from_range(0.0f, 6.0f, parse_precision("W8A8S").activation);
  EXPECT_EQ(u.zero_point, std::vector<std::int32_t>{0});
  EXPECT_FLOAT_EQ(u.scale[0], 6.0f / 255.0f);
  EXPECT_FLOAT_EQ(s.scale[0], 6.0f / 127.0f);
}

TEST(GranularityTest, finer_scales_never_lose_on_channels_of_different_size) {
  std::mt19937 generator(11);
  std::normal_distribution<float> normal;
  Tensor w(DType::f32, {16, 64});
  std::size_t i = 0;
  for (float& v : w.mutable_data<float>())
    v = normal(generator) * std::exp2(static_cast<float>(i++ / 64) / 2.0f);
  const auto error = [&](const char* name) {
    const Tensor y = quantize_weight(w, {0, 1}, parse_precision(name).weight).dequantized();
    double sum = 0.0;
    for (std::size_t k = 0; k < w.data<float>().size(); ++k) {
      const double d = double{w.data<float>()[k]} - double{y.data<float>()[k]};
      sum += d * d;
    }
    return sum;
  };
  EXPECT_LT(error("W8A16:channel"), error("W8A16:tensor"));
  EXPECT_LT(error("W8A16:g16"), error("W8A16:channel"));
  EXPECT_LT(error("W4A16:g16"), error("W4A16:channel"));
}

}  // namespace
}  // namespace qsweep
