#include "src/metrics/tensor_error.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/random.h"

namespace qsweep {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ErrorSums sums(const std::vector<float>& reference, const std::vector<float>& value) {
  ErrorSums s;
  s.add(reference, value);
  return s;
}

TEST(ErrorSumsTest, figures_of_a_small_example) {
  const ErrorSums s = sums({3, 4}, {3, 2});
  EXPECT_EQ(s.count, 2);
  EXPECT_DOUBLE_EQ(s.mse(), 2.0);
  EXPECT_DOUBLE_EQ(s.sqnr_db(), 10.0 * std::log10(25.0 / 4.0));
  EXPECT_DOUBLE_EQ(s.cosine(), 17.0 / (5.0 * std::sqrt(13.0)));
  EXPECT_DOUBLE_EQ(s.relative_error(), 2.0 / 5.0);
}

TEST(ErrorSumsTest, extreme_cases_have_defined_figures) {
  const ErrorSums equal = sums({1, 2}, {1, 2});
  EXPECT_EQ(equal.sqnr_db(), kInfinity);
  EXPECT_DOUBLE_EQ(equal.cosine(), 1.0);
  EXPECT_EQ(equal.relative_error(), 0.0);
  const ErrorSums both_zero = sums({0, 0}, {0, 0});
  EXPECT_EQ(both_zero.sqnr_db(), kInfinity);
  EXPECT_EQ(both_zero.cosine(), 1.0);
  const ErrorSums zero_reference = sums({0, 0}, {1, 0});
  EXPECT_EQ(zero_reference.sqnr_db(), -kInfinity);
  EXPECT_EQ(zero_reference.cosine(), 0.0);
  EXPECT_EQ(zero_reference.relative_error(), kInfinity);
  EXPECT_EQ(sums({1, 0}, {0, 0}).cosine(), 0.0);
  EXPECT_EQ(ErrorSums{}.mse(), 0.0);
}

TEST(ErrorSumsTest, nan_shows) {
  const ErrorSums s = sums({1, 2, 3}, {1, std::numeric_limits<float>::quiet_NaN(), 3});
  EXPECT_TRUE(std::isnan(s.mse()));
  EXPECT_TRUE(std::isnan(s.sqnr_db()));
  EXPECT_TRUE(std::isnan(s.cosine()));
  EXPECT_TRUE(std::isnan(s.relative_error()));
}

TEST(ErrorSumsTest, agrees_with_plain_sums_at_every_length) {
  Random random(3);
  for (const std::size_t n : {0u, 1u, 5u, 15u, 16u, 17u, 33u, 1023u, 1024u, 1025u, 1040u, 5000u}) {
    std::vector<float> x(n), y(n);
    long double xx = 0, yy = 0, dd = 0, xy = 0;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = static_cast<float>(random.normal());
      y[i] = x[i] + 0.1f * static_cast<float>(random.normal());
      const long double a = x[i], b = y[i];
      xx += a * a, yy += b * b, dd += (a - b) * (a - b), xy += a * b;
    }
    const ErrorSums s = sums(x, y);
    EXPECT_NEAR(s.reference_squares, static_cast<double>(xx), 4e-6 * static_cast<double>(xx));
    EXPECT_NEAR(s.value_squares, static_cast<double>(yy), 4e-6 * static_cast<double>(yy));
    EXPECT_NEAR(s.error_squares, static_cast<double>(dd), 4e-6 * static_cast<double>(dd));
    EXPECT_NEAR(s.products, static_cast<double>(xy), 4e-6 * static_cast<double>(xx));
  }
}

TEST(ErrorSumsTest, sums_hold_what_squares_in_float_do_not) {
  for (const float unit : {1e-30f, 1e-18f, 1e20f, 1e38f}) {
    const std::vector<float> x(600, unit), y(600, 0.5f * unit);
    const double u = static_cast<double>(unit);
    const ErrorSums s = sums(x, y);
    EXPECT_NEAR(s.reference_squares / (u * u), 600.0, 1e-3) << unit;
    EXPECT_NEAR(s.sqnr_db(), 10.0 * std::log10(4.0), 1e-5) << unit;
    EXPECT_NEAR(s.cosine(), 1.0, 1e-6) << unit;
  }
  // A difference that only doubles see.
  const ErrorSums s = sums({1.0f, 1e-20f}, {1.0f, 2e-20f});
  EXPECT_NEAR(s.error_squares / 1e-40, 1.0, 1e-5);
}

TEST(ErrorSumsTest, cosine_of_nearly_equal_tensors_is_not_above_1) {
  Random random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> x(700), y(700);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(random.normal());
      y[i] = x[i] * (1.0f + 1e-7f);
    }
    EXPECT_LE(sums(x, y).cosine(), 1.0);
    EXPECT_GT(sums(x, y).cosine(), 1.0 - 1e-6);
  }
}

TEST(ErrorSumsTest, merging_adds) {
  ErrorSums a = sums({3}, {3});
  a.merge(sums({4}, {2}));
  const ErrorSums both = sums({3, 4}, {3, 2});
  EXPECT_EQ(a.count, both.count);
  EXPECT_EQ(a.reference_squares, both.reference_squares);
  EXPECT_EQ(a.value_squares, both.value_squares);
  EXPECT_EQ(a.error_squares, both.error_squares);
  EXPECT_EQ(a.products, both.products);
}

TEST(ErrorSumsTest, is_read_back_as_written_and_every_cut_is_noticed) {
  const ErrorSums s = sums({3, 4}, {3, 2});
  ByteWriter out;
  s.write(out);
  ByteReader in(out.bytes(), "sums");
  const ErrorSums back = ErrorSums::read(in);
  in.finish();
  EXPECT_EQ(back.count, s.count);
  EXPECT_EQ(back.reference_squares, s.reference_squares);
  EXPECT_EQ(back.value_squares, s.value_squares);
  EXPECT_EQ(back.error_squares, s.error_squares);
  EXPECT_EQ(back.products, s.products);
  for (std::size_t n = 0; n < out.bytes().size(); ++n) {
    ByteReader cut(ByteView(out.bytes()).first(n), "sums");
    EXPECT_THROW((void)ErrorSums::read(cut), Error) << n;
  }
}

TEST(ErrorSumsTest, tensors_of_different_sizes_are_refused) {
  EXPECT_THROW((void)sums({1, 2}, {1}), Error);
}

}  // namespace
}  // namespace qsweep
