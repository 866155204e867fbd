#include "src/quant/affine.h"

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/quant/reference.h"

namespace qsweep {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor row(const std::vector<float>& values) {
  return Tensor::of<float>(DType::f32, {static_cast<std::int64_t>(values.size())}, values);
}
Tensor shaped(Shape shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::f32, std::move(shape), values);
}

constexpr Format kUint8{.dtype = DType::u8, .symmetric = false};
constexpr Format kInt8{.dtype = DType::i8};
constexpr Format kInt4{.dtype = DType::i4};

/// Every scaled format, symmetric and not.
std::vector<Format> scaled_formats() {
  return {kUint8,
          {.dtype = DType::i8, .symmetric = false},
          kInt8,
          {.dtype = DType::i8, .narrow_range = false},
          {.dtype = DType::i8, .reduce_range = true},
          {.dtype = DType::u8, .symmetric = true},
          kInt4,
          {.dtype = DType::i4, .symmetric = false},
          {.dtype = DType::u4, .symmetric = false},
          {.dtype = DType::f8e4m3fn},
          {.dtype = DType::f8e5m2},
          {.dtype = DType::f4e2m1}};
}

std::string describe(const Format& f) {
  return std::string(name_of(f.dtype)) + (f.symmetric ? " symmetric" : " asymmetric") +
         (f.narrow_range ? " narrow" : "") + (f.reduce_range ? " reduced" : "");
}

int code_at(const Tensor& codes, std::size_t i) {
  return code_range({.dtype = codes.dtype(), .symmetric = false}).lowest < 0
             ? codes.data<std::int8_t>()[i]
             : codes.data<std::uint8_t>()[i];
}

TEST(ParamsFromRangeTest, symmetric_scale_is_the_magnitude_over_the_highest_code) {
  EXPECT_EQ(params_from_range(-2.0f, 1.0f, kInt8).scale, std::vector{2.0f / 127.0f});
  EXPECT_EQ(params_from_range(-1.0f, 3.0f, kInt4).scale, std::vector{3.0f / 7.0f});
  EXPECT_EQ(params_from_range(-2.0f, 1.0f, {.dtype = DType::i8, .reduce_range = true}).scale,
            std::vector{2.0f / 63.0f});
  EXPECT_TRUE(params_from_range(-2.0f, 1.0f, kInt8).zero_point.empty());
}

TEST(ParamsFromRangeTest, symmetric_unsigned_puts_zero_in_the_middle) {
  const QuantParams p = params_from_range(-2.0f, 1.0f, {.dtype = DType::u8, .symmetric = true});
  EXPECT_EQ(p.zero_point, std::vector{128});
  EXPECT_EQ(p.scale, std::vector{2.0f / 127.0f});
}

TEST(ParamsFromRangeTest, asymmetric_spans_the_range_and_holds_zero) {
  const QuantParams p = params_from_range(-1.0f, 3.0f, kUint8);
  EXPECT_EQ(p.scale, std::vector{4.0f / 255.0f});
  EXPECT_EQ(p.zero_point, std::vector{64});  // 63.75
  EXPECT_EQ(params_from_range(1.0f, 3.0f, kUint8).scale, std::vector{3.0f / 255.0f});
  EXPECT_EQ(params_from_range(1.0f, 3.0f, kUint8).zero_point, std::vector{0});
  EXPECT_EQ(params_from_range(-3.0f, -1.0f, kUint8).zero_point, std::vector{255});
  EXPECT_EQ(params_from_range(-1.0f, 3.0f, {.dtype = DType::i8, .symmetric = false}).zero_point,
            std::vector{-64});
}

TEST(ParamsFromRangeTest, float8_scale_is_the_magnitude_over_the_largest_value) {
  EXPECT_EQ(params_from_range(-3.0f, 1.0f, {.dtype = DType::f8e4m3fn}).scale,
            std::vector{3.0f / 448.0f});
  EXPECT_EQ(params_from_range(-3.0f, 1.0f, {.dtype = DType::f8e5m2}).scale,
            std::vector{3.0f / 57344.0f});
  EXPECT_EQ(params_from_range(-3.0f, 1.0f, {.dtype = DType::f4e2m1}).scale,
            std::vector{3.0f / 6.0f});
}

TEST(ParamsFromRangeTest, formats_without_scale_have_none) {
  for (DType dtype : {DType::f32, DType::f16, DType::bf16})
    EXPECT_TRUE(params_from_range(-1.0f, 1.0f, {.dtype = dtype}).scale.empty());
}

TEST(ParamsFromRangeTest, degenerate_ranges_get_a_usable_scale) {
  for (const Format& f : scaled_formats()) {
    EXPECT_EQ(params_from_range(0.0f, 0.0f, f).scale, std::vector{1.0f}) << describe(f);
    const float largest = std::numeric_limits<float>::max();
    const float tiny = std::numeric_limits<float>::denorm_min();
    for (const auto& [min, max] : {std::pair(-largest, largest), std::pair(-tiny, tiny)}) {
      const float scale = params_from_range(min, max, f).scale.at(0);
      EXPECT_TRUE(std::isfinite(scale) && scale > 0.0f) << describe(f);
    }
  }
}

TEST(ParamsFromRangeTest, a_range_that_is_not_finite_is_an_error) {
  for (float bad : {kNan, kInfinity, -kInfinity}) {
    EXPECT_THROW((void)params_from_range(bad, 1.0f, kInt8), Error);
    EXPECT_THROW((void)params_from_range(0.0f, bad, kInt8), Error);
  }
  try {
    (void)params_from_range(0.0f, kInfinity, kInt8);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::numeric);
    EXPECT_STREQ(e.what(), "a range [0, inf] is not finite");
  }
}

TEST(QuantizeTest, agrees_with_the_textbook) {
  std::vector<float> values = test::wide_values(4000, 5);
  for (int i = -40; i <= 40; ++i) values.push_back(static_cast<float>(i) * 0.125f);
  values.insert(values.end(), {0.0f, -0.0f, kInfinity, -kInfinity, kNan, 1e30f, -1e30f});
  const Tensor x = row(values);
  for (const Format& f : scaled_formats()) {
    if (is_float(f.dtype)) continue;
    for (const auto& [min, max] : {std::pair(-4.0f, 4.0f), std::pair(-1.3f, 6.2f),
                                   std::pair(0.0f, 31.875f), std::pair(-5.0f, 0.0f)}) {
      const QuantParams p = params_from_range(min, max, f);
      const CodeRange range = code_range(f);
      const int zero = p.zero_point.empty() ? 0 : p.zero_point[0];
      const Tensor codes = quantize(x, p);
      ASSERT_EQ(codes.dtype(), f.dtype);
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(code_at(codes, i),
                  test::quantized(values[i], p.scale[0], zero, range.lowest, range.highest))
            << describe(f) << " " << values[i];
      }
    }
  }
}

TEST(QuantizeTest, rounds_ties_to_even) {
  QuantParams p{.format = kInt8, .axis = -1, .scale = {1.0f}, .zero_point = {}};
  const Tensor codes = quantize(row({0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f}), p);
  const auto c = codes.data<std::int8_t>();
  EXPECT_EQ(std::vector<int>(c.begin(), c.end()), (std::vector{0, 2, 2, 0, -2, -2}));
}

TEST(QuantizeTest, nan_becomes_real_zero_in_integer_formats) {
  for (const Format& f : scaled_formats()) {
    if (is_float(f.dtype)) continue;
    const QuantParams p = params_from_range(-1.0f, 3.0f, f);
    EXPECT_EQ(code_at(quantize(row({kNan}), p), 0), p.zero_point.empty() ? 0 : p.zero_point[0]);
    EXPECT_EQ(fake_quantize(row({kNan}), p).data<float>()[0], 0.0f) << describe(f);
  }
}

TEST(QuantizeTest, float8_keeps_nan_so_that_the_evaluation_sees_it) {
  for (DType dtype : {DType::f8e4m3fn, DType::f8e5m2}) {
    const QuantParams p = params_from_range(-1.0f, 3.0f, {.dtype = dtype});
    EXPECT_TRUE(std::isnan(fake_quantize(row({kNan}), p).data<float>()[0]));
  }
}

TEST(QuantizeTest, codes_of_16_bits_take_two_bytes_and_read_back) {
  for (const DType dtype : {DType::u16, DType::i16}) {
    const QuantParams params{.format = {.dtype = dtype, .symmetric = false, .narrow_range = false},
                             .scale = {0.5f},
                             .zero_point = {dtype == DType::u16 ? 40000 : -7}};
    const Tensor codes = quantize(row({0.0f, 1.25f, -3.75f, 1e6f, -1e6f}), params);
    const std::int32_t zero = params.zero_point[0];
    const CodeRange range = code_range(params.format);
    const std::vector<std::int32_t> expected = {zero, zero + 2, zero - 8, range.highest,
                                                range.lowest};
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const std::int32_t code =
          dtype == DType::u16 ? codes.data<std::uint16_t>()[i] : codes.data<std::int16_t>()[i];
      EXPECT_EQ(code, expected[i]) << name_of(dtype) << " " << i;
      EXPECT_EQ(dequantize(codes, params).data<float>()[i],
                static_cast<float>(expected[i] - zero) * 0.5f);
    }
  }
}

TEST(QuantizeTest, codes_of_32_bits_are_read_as_biases_are) {
  const std::vector<std::int32_t> bias = {-5, 1 << 30};
  const QuantParams params{.format = {.dtype = DType::i32, .granularity = Granularity::per_channel},
                           .axis = 0,
                           .scale = {0.5f, 0.25f},
                           .zero_point = {}};
  const Tensor x = dequantize(Tensor::of<std::int32_t>(DType::i32, {2}, bias), params);
  EXPECT_EQ(x.data<float>()[0], -2.5f);
  EXPECT_EQ(x.data<float>()[1], 0x1p28f);
}

TEST(QuantizeTest, narrow_range_leaves_the_lowest_code_out) {
  const Tensor x = row({-100.0f});
  EXPECT_EQ(code_at(quantize(x, params_from_range(-1.0f, 1.0f, kInt8)), 0), -127);
  EXPECT_EQ(code_at(quantize(x, params_from_range(-1.0f, 1.0f, kInt4)), 0), -7);
  EXPECT_EQ(code_at(quantize(x, params_from_range(-1.0f, 1.0f,
                                                  {.dtype = DType::i8, .narrow_range = false})),
                    0),
            -128);
}

TEST(FakeQuantizeTest, has_the_bits_of_the_two_step_form) {
  std::vector<float> values = test::wide_values(3 * 5 * 41, 9);
  values[0] = -1e-6f;  // rounds to zero from below
  values[1] = kNan;
  values[2] = -kNan;
  values[3] = kInfinity;
  values[4] = -kInfinity;
  const Tensor x = shaped({3, 5, 41}, values);
  for (Format f : scaled_formats()) {
    for (const Granularity granularity :
         {Granularity::per_tensor, Granularity::per_channel, Granularity::per_block}) {
      for (int axis = 0; axis < 3; ++axis) {
        f.granularity = granularity;
        f.block_size = granularity == Granularity::per_block ? 2 : 0;
        QuantParams p = params_from_range(-1.5f, 2.5f, f);
        p.axis = axis;
        const auto extent = static_cast<std::size_t>(x.dim(axis));
        const std::size_t slices = granularity == Granularity::per_tensor ? 1
                                   : granularity == Granularity::per_channel
                                       ? extent
                                       : values.size() / extent * ((extent + 1) / 2);
        p.scale.resize(slices, p.scale[0]);
        for (std::size_t s = 0; s < slices; ++s) p.scale[s] *= 1.0f + static_cast<float>(s);
        if (!p.zero_point.empty()) p.zero_point.resize(slices, p.zero_point[0]);
        const Tensor one = fake_quantize(x, p), two = dequantize(quantize(x, p), p);
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(one.data<float>()[i]),
                    std::bit_cast<std::uint32_t>(two.data<float>()[i]))
              << describe(f) << " axis " << axis << " of " << values[i];
        }
      }
    }
  }
}

TEST(FakeQuantizeTest, errors_are_at_most_half_a_step_inside_the_range) {
  const Tensor x = row(test::wide_values(5000, 21, 0.3f));
  const auto [low, high] = std::minmax_element(x.data<float>().begin(), x.data<float>().end());
  for (const Format& f : scaled_formats()) {
    if (is_float(f.dtype)) continue;
    const QuantParams p = params_from_range(*low, *high, f);
    const Tensor y = fake_quantize(x, p);
    for (std::size_t i = 0; i < y.data<float>().size(); ++i) {
      ASSERT_LE(std::fabs(y.data<float>()[i] - x.data<float>()[i]), p.scale[0] * 0.50001f)
          << describe(f) << " " << x.data<float>()[i];
    }
  }
}

TEST(FakeQuantizeTest, float8_error_is_at_most_half_a_unit_in_the_last_place) {
  const Tensor x = row(test::wide_values(5000, 22));
  for (const auto& [dtype, fraction_bits, smallest] :
       {std::tuple(DType::f8e4m3fn, 3, -9), std::tuple(DType::f8e5m2, 2, -16)}) {
    const QuantParams p = params_from_range(-60.0f, 60.0f, {.dtype = dtype});
    const Tensor y = fake_quantize(x, p);
    for (std::size_t i = 0; i < y.data<float>().size(); ++i) {
      const double exact = static_cast<double>(x.data<float>()[i]);
      if (std::fabs(exact) > 60.0) continue;
      const double half_ulp = std::max(std::fabs(exact) * std::exp2(-fraction_bits - 1),
                                       static_cast<double>(p.scale[0]) * std::exp2(smallest - 1));
      ASSERT_LE(std::fabs(static_cast<double>(y.data<float>()[i]) - exact), half_ulp * 1.00001);
    }
  }
}

TEST(FakeQuantizeTest, is_monotone_and_idempotent_and_keeps_zero) {
  std::vector<float> values = test::wide_values(5000, 23);
  values.push_back(0.0f);
  std::sort(values.begin(), values.end());
  const Tensor x = row(values);
  std::vector<Format> formats = scaled_formats();
  formats.push_back({.dtype = DType::f16});
  formats.push_back({.dtype = DType::bf16});
  for (const Format& f : formats) {
    const QuantParams p = params_from_range(-2.7f, 3.9f, f);
    const Tensor y = fake_quantize(x, p), z = fake_quantize(y, p);
    const auto ys = y.data<float>(), zs = z.data<float>();
    ASSERT_TRUE(std::is_sorted(ys.begin(), ys.end())) << describe(f);
    ASSERT_TRUE(std::equal(ys.begin(), ys.end(), zs.begin())) << describe(f);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_TRUE(values[i] != 0.0f || ys[i] == 0.0f) << describe(f);
    }
  }
}

TEST(FakeQuantizeTest, half_follows_ieee_and_overflows_to_infinity) {
  const QuantParams p = params_from_range(-1.0f, 1.0f, {.dtype = DType::f16});
  const Tensor y = fake_quantize(row({1.0f, 2049.0f, 2051.0f, 65519.0f, 65520.0f, -1e9f}), p);
  const auto v = y.data<float>();
  EXPECT_EQ(std::vector<float>(v.begin(), v.end()),
            (std::vector{1.0f, 2048.0f, 2052.0f, 65504.0f, kInfinity, -kInfinity}));
}

TEST(FakeQuantizeTest, float32_is_left_alone) {
  const Tensor x = row({1.0f, kNan});
  EXPECT_EQ(fake_quantize(x, {}).raw(), x.raw());
}

TEST(FakeQuantizeTest, per_tensor_works_in_any_layout_and_keeps_it) {
  Tensor x =
      shaped({1, 2, 3, 1}, {0.1f, 0.9f, 1.6f, -0.4f, 2.4f, -3.0f}).to_layout(Layout::channels_last);
  const QuantParams p{.format = kInt8, .axis = -1, .scale = {1.0f}, .zero_point = {}};
  const Tensor y = fake_quantize(x, p).to_layout(Layout::row_major);
  const auto v = y.data<float>();
  EXPECT_EQ(std::vector<float>(v.begin(), v.end()), (std::vector{0.f, 1.f, 2.f, 0.f, 2.f, -3.f}));
}

TEST(FakeQuantizeTest, channels_and_blocks_use_their_own_scale) {
  // 2 x 5, blocks of 2 along the last axis: the third block has one element.
  const Tensor x = shaped({2, 5}, {10, 20, 30, 40, 50, 60, 70, 80, 90, 100});
  QuantParams channel{.format = kInt8, .axis = 1, .scale = {1, 2, 4, 8, 16}, .zero_point = {}};
  channel.format.granularity = Granularity::per_channel;
  const auto c = quantize(x, channel);
  EXPECT_EQ(std::vector<int>(c.data<std::int8_t>().begin(), c.data<std::int8_t>().end()),
            (std::vector{10, 10, 8, 5, 3, 60, 35, 20, 11, 6}));
  QuantParams block{.format = kInt8, .axis = 1, .scale = {1, 2, 4, 8, 10, 20}, .zero_point = {}};
  block.format.granularity = Granularity::per_block;
  block.format.block_size = 2;
  const auto b = quantize(x, block);
  EXPECT_EQ(std::vector<int>(b.data<std::int8_t>().begin(), b.data<std::int8_t>().end()),
            (std::vector{10, 20, 15, 20, 12, 8, 9, 8, 9, 5}));
  // Along the first axis each column has blocks of its own.
  QuantParams rows{.format = kInt8, .axis = 0, .scale = {1, 2, 4, 8, 10}, .zero_point = {}};
  rows.format = block.format;
  const auto r = quantize(x, rows);
  EXPECT_EQ(std::vector<int>(r.data<std::int8_t>().begin(), r.data<std::int8_t>().end()),
            (std::vector{10, 10, 8, 5, 5, 60, 35, 20, 11, 10}));
}

TEST(FakeQuantizeTest, parameters_that_do_not_fit_the_tensor_are_refused) {
  const Tensor x = shaped({2, 3}, {1, 2, 3, 4, 5, 6});
  QuantParams p = params_from_range(-1.0f, 1.0f, kInt8);
  p.scale.clear();
  EXPECT_THROW((void)fake_quantize(x, p), Error);
  p.scale = {1.0f, 1.0f};
  EXPECT_THROW((void)quantize(x, p), Error);
  p.format.granularity = Granularity::per_channel;
  p.axis = 1;
  EXPECT_THROW((void)quantize(x, p), Error);  // 2 scales for 3 channels
  p.axis = 2;
  EXPECT_THROW((void)quantize(x, p), Error);
  p.axis = 0;
  p.zero_point = {0};
  EXPECT_THROW((void)quantize(x, p), Error);
  p.zero_point.clear();
  EXPECT_NO_THROW((void)quantize(x, p));
}

TEST(FakeQuantizeTest, empty_tensors_are_fine) {
  const Tensor x(DType::f32, {0, 4});
  EXPECT_EQ(fake_quantize(x, params_from_range(-1.0f, 1.0f, kInt8)).size(), 0);
}

}  // namespace
}  // namespace qsweep
