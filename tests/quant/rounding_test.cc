#include "src/quant/rounding.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/quant/reference.h"

namespace qsweep::rounding {
namespace {

/// Values that loops get wrong: ties, signed zeros, subnormals, huge, infinite, NaN.
std::vector<float> hard_values() {
  std::vector<float> values = test::wide_values(1000, 11, 3.0f);
  for (int i = -300; i <= 300; ++i) values.push_back(static_cast<float>(i) * 0.125f);
  const float infinity = std::numeric_limits<float>::infinity();
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (float x : {0.0f, tiny, 1e-40f, 1e-20f, 1e20f, std::numeric_limits<float>::max(), infinity,
                  std::numeric_limits<float>::quiet_NaN()}) {
    values.push_back(x);
    values.push_back(-x);
  }
  return values;
}

bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

/// Every start and length around the widest vector gives what one element at a time gives.
template <class Out, class Loop, class Same>
void expect_independent_of_position(Loop loop, Same same) {
  const std::vector<float> in = hard_values();
  std::vector<Out> one(in.size()), many(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) loop(&in[i], &one[i], 1);
  for (std::size_t start = 0; start < 20; ++start) {
    for (std::size_t n : {in.size() - start, std::size_t{7}, std::size_t{33}, std::size_t{64}}) {
      loop(in.data() + start, many.data() + start, n);
      for (std::size_t i = start; i < start + n; ++i) ASSERT_TRUE(same(one[i], many[i])) << in[i];
    }
  }
}

TEST(RoundingTest, results_do_not_depend_on_the_place_in_the_array) {
  const Affine q{0.25f, -3.0f, 252.0f, 3};
  expect_independent_of_position<float>(
      [&](const float* in, float* out, std::size_t n) { affine_fake(in, out, n, q); }, same_bits);
  const auto equal = [](auto a, auto b) { return a == b; };
  expect_independent_of_position<std::int8_t>(
      [&](const float* in, std::int8_t* out, std::size_t n) { affine_codes(in, out, n, q); },
      equal);
  for (const MiniFloat& format : {kE4M3FN, kE5M2, kE2M1, kHalf}) {
    expect_independent_of_position<float>(
        [&](const float* in, float* out, std::size_t n) {
          mini_float_fake(in, out, n, format, 0.3f);
        },
        same_bits);
    if (format.bits > 8) continue;
    expect_independent_of_position<std::uint8_t>(
        [&](const float* in, std::uint8_t* out, std::size_t n) {
          mini_float_codes(in, out, n, format, 0.3f);
        },
        equal);
  }
  expect_independent_of_position<float>(
      [](const float* in, float* out, std::size_t n) { bfloat16_fake(in, out, n); }, same_bits);
}

TEST(RoundingTest, input_and_output_may_be_the_same_array) {
  std::vector<float> values = hard_values();
  std::vector<float> expected(values.size());
  const Affine q{0.1f, -128.0f, 127.0f, 0};
  affine_fake(values.data(), expected.data(), values.size(), q);
  affine_fake(values.data(), values.data(), values.size(), q);
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_TRUE(same_bits(values[i], expected[i]));
}

TEST(RoundingTest, division_is_not_multiplication_by_a_reciprocal) {
  // Near ties the two differ by a code; the specification divides.
  int differing = 0;
  for (int step = 1; step < 200; ++step) {
    const float scale = 0.1f * static_cast<float>(step);
    for (int half = 1; half < 100; half += 2) {
      const float x = scale * (static_cast<float>(half) / 2.0f);
      const Affine q{scale, -1000.0f, 1000.0f, 0};
      float out = 0.0f;
      affine_fake(&x, &out, 1, q);
      const int code = test::quantized(x, scale, 0, -1000, 1000);
      ASSERT_EQ(out, static_cast<float>(code) * scale) << x << " / " << scale;
      differing += std::rint(x * (1.0f / scale)) != static_cast<float>(code) ? 1 : 0;
    }
  }
  EXPECT_GT(differing, 0) << "the values tell the two apart";
}

TEST(ExtremesTest, finds_them_anywhere_and_sees_what_is_not_finite) {
  for (std::size_t n : {1u, 2u, 15u, 16u, 17u, 100u}) {
    for (std::size_t at = 0; at < n; ++at) {
      std::vector<float> values(n, 1.0f);
      values[at] = -4.0f;
      EXPECT_EQ(extremes(values.data(), n).min, -4.0f);
      EXPECT_EQ(extremes(values.data(), n).max, n == 1 ? -4.0f : 1.0f);
      values[at] = 5.0f;
      EXPECT_EQ(extremes(values.data(), n).max, 5.0f);
      EXPECT_TRUE(extremes(values.data(), n).finite);
      for (float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
            -std::numeric_limits<float>::infinity()}) {
        values[at] = bad;
        EXPECT_FALSE(extremes(values.data(), n).finite) << n << " " << at << " " << bad;
      }
    }
  }
}

TEST(ExtremesTest, zeros_have_one_sign) {
  for (const auto& values : {std::vector{0.0f, -0.0f}, std::vector{-0.0f, 0.0f}}) {
    const Extremes e = extremes(values.data(), 2);
    EXPECT_FALSE(std::signbit(e.min));
    EXPECT_FALSE(std::signbit(e.max));
  }
}

TEST(SquaredErrorTest, sums_squares_of_differences) {
  const std::vector<float> a = test::wide_values(1003, 1), b = test::wide_values(1003, 2);
  double expected = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    expected += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  EXPECT_NEAR(squared_error(a.data(), b.data(), a.size()), expected, 1e-12 * expected);
  EXPECT_EQ(squared_error(a.data(), b.data(), 0), 0.0);
}

}  // namespace
}  // namespace qsweep::rounding
