#include "src/quant/weight.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/quant/reference.h"

namespace qsweep {
namespace {

Tensor random_weight(Shape shape, unsigned seed) {
  const auto n = static_cast<std::size_t>(element_count(shape));
  return Tensor::of<float>(DType::f32, std::move(shape), test::wide_values(n, seed, 0.7f));
}

double squared_error(const Tensor& weight, const QuantizedWeight& q) {
  const Tensor y = q.dequantized();
  double sum = 0.0;
  for (std::size_t i = 0; i < weight.data<float>().size(); ++i)
    sum += std::pow(double(weight.data<float>()[i]) - double(y.data<float>()[i]), 2);
  return sum;
}

Format integer(DType dtype, Granularity granularity, std::int64_t block = 0) {
  return {.dtype = dtype, .granularity = granularity, .block_size = block};
}

const std::vector<std::pair<Shape, WeightAxes>>& kinds() {
  static const std::vector<std::pair<Shape, WeightAxes>> all = {
      {{8, 12, 3, 3}, {0, 1}},   // Conv
      {{12, 8, 2, 2}, {1, 0}},   // ConvTranspose
      {{40, 24}, {1, 0}},        // MatMul
      {{24, 40}, {0, 1}},        // Gemm with transB
      {{16, 1, 3, 3}, {0, 1}}};  // depthwise
  return all;
}

TEST(QuantizeWeightTest, scales_come_from_each_output_channel) {
  const Tensor w =
      Tensor::of<float>(DType::f32, {2, 3}, std::vector{1.f, -4.f, 2.f, 0.f, 0.f, 0.f});
  const QuantizedWeight rows =
      quantize_weight(w, {0, 1}, integer(DType::i8, Granularity::per_channel));
  EXPECT_EQ(rows.params.scale, (std::vector{4.0f / 127.0f, 1.0f}));
  EXPECT_EQ(rows.params.axis, 0);
  EXPECT_TRUE(rows.params.zero_point.empty());
  const QuantizedWeight columns =
      quantize_weight(w, {1, 0}, integer(DType::i8, Granularity::per_channel));
  EXPECT_EQ(columns.params.scale, (std::vector{1.0f / 127.0f, 4.0f / 127.0f, 2.0f / 127.0f}));
  EXPECT_EQ(columns.params.axis, 1);
}

TEST(QuantizeWeightTest, blocks_run_along_the_input_axis_with_a_shorter_last_one) {
  const Tensor w = Tensor::of<float>(
      DType::f32, {2, 5}, std::vector{1.f, 2.f, 3.f, 4.f, 7.f, 6.f, 5.f, 0.f, 1.f, 14.f});
  const Format blocks = integer(DType::i4, Granularity::per_block, 2);
  const QuantizedWeight q = quantize_weight(w, {0, 1}, blocks);
  EXPECT_EQ(q.params.axis, 1);
  EXPECT_EQ(q.params.scale, (std::vector{2.f / 7.f, 4.f / 7.f, 1.f, 6.f / 7.f, 1.f / 7.f, 2.f}));
  // A MatMul weight [K, N]: blocks down each column.
  const Tensor m =
      Tensor::of<float>(DType::f32, {3, 2}, std::vector{1.f, 7.f, 2.f, 3.f, 14.f, 21.f});
  EXPECT_EQ(quantize_weight(m, {1, 0}, blocks).params.scale,
            (std::vector{2.f / 7.f, 1.f, 2.f, 3.f}));
  // A block longer than the axis is the whole axis.
  EXPECT_EQ(
      quantize_weight(m, {1, 0}, integer(DType::i4, Granularity::per_block, 128)).params.scale,
      (std::vector{2.f, 3.f}));
}

TEST(QuantizeWeightTest, finer_granularity_never_loses) {
  for (const auto& [shape, axes] : kinds()) {
    const Tensor w = random_weight(shape, 31);
    for (DType dtype : {DType::i8, DType::i4}) {
      const double tensor =
          squared_error(w, quantize_weight(w, axes, integer(dtype, Granularity::per_tensor)));
      const double channel =
          squared_error(w, quantize_weight(w, axes, integer(dtype, Granularity::per_channel)));
      EXPECT_LE(channel, tensor) << to_string(shape) << " " << name_of(dtype);
      const double block =
          squared_error(w, quantize_weight(w, axes, integer(dtype, Granularity::per_block, 8)));
      EXPECT_LE(block, channel * 1.02) << to_string(shape) << " " << name_of(dtype);
    }
  }
}

TEST(QuantizeWeightTest, mse_never_loses_to_rtn_in_any_slice) {
  for (const auto& [shape, axes] : kinds()) {
    const Tensor w = random_weight(shape, 37);
    for (const Format& f :
         {integer(DType::i4, Granularity::per_channel), integer(DType::i8, Granularity::per_tensor),
          integer(DType::i4, Granularity::per_block, 5),
          Format{
              .dtype = DType::i4, .granularity = Granularity::per_channel, .symmetric = false}}) {
      const QuantizedWeight rtn = quantize_weight(w, axes, f);
      const QuantizedWeight mse = quantize_weight(w, axes, f, WeightAlgorithm::mse);
      ASSERT_EQ(rtn.params.scale.size(), mse.params.scale.size());
      for (std::size_t s = 0; s < rtn.params.scale.size(); ++s)
        EXPECT_LE(mse.params.scale[s], rtn.params.scale[s]);
      EXPECT_LE(squared_error(w, mse), squared_error(w, rtn));
    }
  }
}

TEST(QuantizeWeightTest, mse_clips_an_outlier_of_its_own_channel_only) {
  std::vector<float> values(2 * 512);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 64) / 64.0f - 0.5f;
  values[3] = 1.6f;
  const Tensor w = Tensor::of<float>(DType::f32, {2, 512}, values);
  const Format f = integer(DType::i4, Granularity::per_channel);
  const QuantizedWeight q = quantize_weight(w, {0, 1}, f, WeightAlgorithm::mse);
  EXPECT_LT(q.params.scale[0], 0.8f * 1.6f / 7.0f);
  EXPECT_GT(q.params.scale[1], 0.8f * 0.5f / 7.0f);
}

TEST(QuantizeWeightTest, mse_finds_the_best_clip_of_its_grid) {
  const Tensor w = random_weight({1, 300}, 41);
  const Format f = integer(DType::i4, Granularity::per_tensor);
  const double found = squared_error(w, quantize_weight(w, {0, 1}, f, WeightAlgorithm::mse));
  float amax = 0.0f;
  for (float v : w.data<float>()) amax = std::max(amax, std::fabs(v));
  for (int percent = 30; percent <= 100; ++percent) {
    // A clip inside the grid's range cannot beat the grid's best by more than the grid is coarse.
    const QuantParams p = params_from_range(-amax * static_cast<float>(percent) / 100.0f,
                                            amax * static_cast<float>(percent) / 100.0f, f);
    EXPECT_GE(squared_error(w, {quantize(w, p), p}), 0.97 * found) << percent;
  }
}

TEST(QuantizeWeightTest, float8_weights_have_a_scale_per_channel) {
  const Tensor w = random_weight({4, 50}, 43);
  const QuantizedWeight q = quantize_weight(
      w, {0, 1}, {.dtype = DType::f8e4m3fn, .granularity = Granularity::per_channel});
  ASSERT_EQ(q.params.scale.size(), 4u);
  for (std::size_t c = 0; c < 4; ++c) {
    float amax = 0.0f;
    for (float v : w.data<float>().subspan(c * 50, 50)) amax = std::max(amax, std::fabs(v));
    EXPECT_EQ(q.params.scale[c], amax / 448.0f);
  }
  EXPECT_LT(std::sqrt(squared_error(w, q)),
            0.04 * std::sqrt(squared_error(
                       w, {Tensor::of<float>(DType::f32, {4, 50}, std::vector<float>(200)), {}})));
}

TEST(QuantizeWeightTest, half_weights_are_rounded_floats) {
  const Tensor w = Tensor::of<float>(DType::f32, {1, 3}, std::vector{1.0f, 2049.0f, 1e6f});
  const QuantizedWeight q = quantize_weight(w, {0, 1}, {.dtype = DType::f16});
  EXPECT_EQ(q.dequantized().data<float>()[1], 2048.0f);
  EXPECT_TRUE(std::isinf(q.dequantized().data<float>()[2]));
  EXPECT_TRUE(q.params.scale.empty());
}

TEST(QuantizeWeightTest, float32_is_left_alone) {
  const Tensor w = random_weight({3, 3}, 1);
  EXPECT_EQ(quantize_weight(w, {0, 1}, {}).dequantized().raw(), w.raw());
}

TEST(QuantizeWeightTest, a_weight_that_is_not_finite_is_an_error) {
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(40, 1.0f);
    values[29] = bad;
    const Tensor w = Tensor::of<float>(DType::f32, {4, 10}, values);
    for (DType dtype : {DType::i8, DType::f16}) {
      try {
        (void)quantize_weight(w, {0, 1}, {.dtype = dtype});
        FAIL() << "accepted";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::numeric);
        EXPECT_STREQ(e.what(), "weight element 29 is not finite");
      }
    }
  }
}

TEST(StoredBytesTest, counts_packed_codes_scales_and_zero_points) {
  const Shape shape{3, 5, 3, 3};  // 135 elements
  const auto bytes = [&](const Format& f) { return stored_weight_bytes(shape, {0, 1}, f); };
  EXPECT_EQ(bytes({}), 135 * 4);
  EXPECT_EQ(bytes({.dtype = DType::f16}), 135 * 2);
  EXPECT_EQ(bytes(integer(DType::i8, Granularity::per_tensor)), 135 + 4);
  EXPECT_EQ(bytes(integer(DType::i8, Granularity::per_channel)), 135 + 3 * 4);
  EXPECT_EQ(bytes(integer(DType::i4, Granularity::per_channel)), 68 + 3 * 4);
  EXPECT_EQ(bytes(integer(DType::i4, Granularity::per_block, 2)), 68 + 3 * 3 * 9 * 4);
  EXPECT_EQ(bytes({.dtype = DType::f8e4m3fn, .granularity = Granularity::per_channel}), 135 + 12);
  Format asymmetric = integer(DType::i4, Granularity::per_channel);
  asymmetric.symmetric = false;
  EXPECT_EQ(bytes(asymmetric), 68 + 3 * 4 + 2);
}

TEST(StoredBytesTest, shape_alone_decides) {
  for (const auto& [shape, axes] : kinds()) {
    const Tensor w = random_weight(shape, 47);
    for (Format f :
         {Format{}, Format{.dtype = DType::f16}, integer(DType::i8, Granularity::per_tensor),
          integer(DType::i8, Granularity::per_channel),
          integer(DType::i4, Granularity::per_block, 5),
          Format{.dtype = DType::f8e4m3fn, .granularity = Granularity::per_channel}}) {
      for (bool symmetric : {true, false}) {
        f.symmetric = symmetric || !is_integer(f.dtype);
        EXPECT_EQ(quantize_weight(w, axes, f).stored_bytes(), stored_weight_bytes(shape, axes, f))
            << to_string(shape) << " " << name_of(f.dtype);
      }
    }
  }
}

TEST(WeightAlgorithmTest, names_round_trip_and_others_are_refused) {
  for (const WeightAlgorithm a : all_weight_algorithms())
    EXPECT_EQ(parse_weight_algorithm(name_of(a)), a);
  try {
    (void)parse_weight_algorithm("gptq");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_STREQ(
        e.what(),
        "unknown weight algorithm 'gptq' [quantization.algorithm]. Use rtn, mse, awq_lite, "
        "awq_clip, awq_full or smoothquant.");
  }
}

}  // namespace
}  // namespace qsweep
