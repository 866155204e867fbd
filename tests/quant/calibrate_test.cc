#include <cmath>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "src/quant/observer.h"

#include "tests/quant/reference.h"

namespace qsweep {
namespace {

constexpr Format kUint8{.dtype = DType::u8, .symmetric = false};
constexpr Format kInt8{.dtype = DType::i8};

TensorStats observed(const std::vector<float>& values) {
  TensorStats s;
  s.add_range(values);
  TensorStats h = s.empty_histogram();
  h.add_histogram(values);
  s.take_histogram(h);
  return s;
}

/// Largest magnitude a symmetric INT8 quantizer keeps.
float threshold(const TensorStats& s, CalibratorKind kind, double percentile = 99.0) {
  return calibrate(s, kInt8, {.kind = kind, .percentile = percentile, .bins = 2048}).scale.at(0) *
         127.0f;
}

double squared_error(const std::vector<float>& values, const QuantParams& p) {
  const Tensor x =
      Tensor::of<float>(DType::f32, {static_cast<std::int64_t>(values.size())}, values);
  const Tensor y = fake_quantize(x, p);
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i)
    sum += std::pow(double(values[i]) - double(y.data<float>()[i]), 2);
  return sum;
}

/// Equally spaced values over [low, high].
std::vector<float> uniform(float low, float high, int n) {
  std::vector<float> values;
  for (int i = 0; i < n; ++i)
    values.push_back(low + (high - low) * static_cast<float>(i) / static_cast<float>(n - 1));
  return values;
}

TEST(CalibrateTest, minmax_is_the_whole_range_and_needs_no_histogram) {
  TensorStats s;
  s.add_range(std::vector{-1.0f, 3.0f});
  EXPECT_EQ(calibrate(s, kUint8, {}), params_from_range(-1.0f, 3.0f, kUint8));
  EXPECT_EQ(calibrate(s, kInt8, {}), params_from_range(-1.0f, 3.0f, kInt8));
  EXPECT_FALSE(needs_histogram(CalibratorKind::minmax));
  EXPECT_TRUE(needs_histogram(CalibratorKind::percentile));
  EXPECT_THROW((void)calibrate(s, kInt8, {.kind = CalibratorKind::mse}), Error);
}

TEST(CalibrateTest, percentile_of_uniform_values_is_that_share_of_the_range) {
  const TensorStats s = observed(uniform(0.0f, 10.0f, 200001));
  for (double p : {90.0, 99.0, 99.9})
    EXPECT_NEAR(threshold(s, CalibratorKind::percentile, p), p / 10.0, 1e-3) << p;
  EXPECT_NEAR(threshold(s, CalibratorKind::percentile, 100.0), 10.0f, 1e-5);
}

TEST(CalibrateTest, percentile_cuts_both_tails_of_an_asymmetric_range) {
  const TensorStats s = observed(uniform(-4.0f, 6.0f, 200001));
  const QuantParams p =
      calibrate(s, kUint8, {.kind = CalibratorKind::percentile, .percentile = 80.0});
  EXPECT_NEAR(p.scale[0] * 255.0f, 8.0f, 1e-2);  // [-3, 5]
  EXPECT_NEAR(static_cast<float>(p.zero_point[0]) * p.scale[0], 3.0f, p.scale[0]);
}

TEST(CalibrateTest, percentile_interpolates_within_a_bin) {
  // All mass but one value in the first of 2048 bins: the threshold must lie inside that bin.
  std::vector<float> values(1000, 0.0f);
  values.back() = 2048.0f;
  EXPECT_NEAR(threshold(observed(values), CalibratorKind::percentile, 50.0), 500.0 / 999.0, 1e-4);
}

TEST(CalibrateTest, every_calibrator_ignores_or_keeps_a_lone_outlier_as_it_should) {
  std::vector<float> values = test::wide_values(100000, 5, 0.0f);
  values[7] = 40.0f;
  const TensorStats s = observed(values);
  EXPECT_FLOAT_EQ(threshold(s, CalibratorKind::minmax), 40.0f);
  EXPECT_NEAR(threshold(s, CalibratorKind::percentile, 99.73), 3.0, 0.1);  // three sigma
  const float entropy = threshold(s, CalibratorKind::entropy);
  EXPECT_GT(entropy, 2.0f);
  EXPECT_LT(entropy, 6.0f);
  EXPECT_LT(threshold(s, CalibratorKind::mse), 30.0f);
}

TEST(CalibrateTest, entropy_keeps_nearly_all_of_a_uniform_range) {
  EXPECT_GT(threshold(observed(uniform(-1.0f, 1.0f, 100000)), CalibratorKind::entropy), 0.95f);
}

TEST(CalibrateTest, entropy_never_leaves_the_observed_range) {
  std::vector<float> values = uniform(0.0f, 4.0f, 10000);
  values.push_back(-0.5f);
  const QuantParams p =
      calibrate(observed(values), kUint8, {.kind = CalibratorKind::entropy, .bins = 2048});
  EXPECT_LE(static_cast<float>(p.zero_point[0]) * p.scale[0], 0.5f + p.scale[0]);
  EXPECT_LE(p.scale[0] * 255.0f, 4.5f * 1.0001f);
}

TEST(CalibrateTest, mse_does_not_lose_to_minmax) {
  for (unsigned seed = 0; seed < 6; ++seed) {
    const std::vector<float> values =
        test::wide_values(20000, seed, 0.2f * static_cast<float>(seed));
    const TensorStats s = observed(values);
    for (const Format& f :
         {kUint8, kInt8, Format{.dtype = DType::i4}, Format{.dtype = DType::f8e4m3fn}}) {
      const double minmax = squared_error(values, calibrate(s, f, {}));
      const double mse = squared_error(values, calibrate(s, f, {.kind = CalibratorKind::mse}));
      EXPECT_LE(mse, minmax) << seed << " " << name_of(f.dtype);
      if (f.dtype == DType::i4) {
        EXPECT_LT(mse, 0.9 * minmax) << "four bits gain from clipping";
      }
    }
  }
}

TEST(CalibrateTest, mse_does_not_lose_on_rectified_or_skewed_values) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    std::vector<float> values = test::wide_values(20000, seed, 0.3f);
    for (float& v : values) v = std::max(v, seed % 2 ? 0.0f : -0.1f);
    values[11] *= static_cast<float>(1 + 10 * seed);
    const TensorStats s = observed(values);
    for (const Format& f : {kUint8, kInt8}) {
      EXPECT_LE(squared_error(values, calibrate(s, f, {.kind = CalibratorKind::mse})),
                squared_error(values, calibrate(s, f, {})))
          << seed << " " << name_of(f.dtype);
    }
  }
}

TEST(CalibrateTest, moving_average_is_the_mean_of_the_images_extremes_in_any_order) {
  const std::vector<std::vector<float>> images = {
      {-1.0f, 4.0f}, {-3.0f, 8.0f}, {-2.0f, 0.0f, 3.0f}};
  TensorStats forward, backward;
  for (const auto& image : images) forward.add_range(image);
  for (std::size_t i = images.size(); i-- > 0;) {
    TensorStats one;
    one.add_range(images[i]);
    backward.merge(one);
  }
  EXPECT_EQ(forward, backward);
  const ValueRange r = calibrated_range(forward, kUint8, {.kind = CalibratorKind::moving_average});
  EXPECT_EQ(r.low, -2.0);
  EXPECT_EQ(r.high, 5.0);
  EXPECT_FALSE(needs_histogram(CalibratorKind::moving_average));
}

TEST(CalibrateTest, entropy_of_128_bins_is_the_whole_range) {
  // As many bins as levels: nothing to fold, so nothing to choose. ONNX Runtime's default.
  std::vector<float> values = test::wide_values(5000, 3, 0.0f);
  const TensorStats s = observed(values);
  const ValueRange r = calibrated_range(s, kUint8, {.kind = CalibratorKind::entropy, .bins = 128});
  EXPECT_EQ(r.low, static_cast<double>(s.min()));
  EXPECT_EQ(r.high, static_cast<double>(s.max()));
  for (int bins : {0, 64, 100, 8192})
    EXPECT_THROW((void)calibrate(s, kInt8, {.kind = CalibratorKind::entropy, .bins = bins}), Error);
}

TEST(CalibrateTest, a_constant_tensor_is_kept_exactly) {
  const TensorStats s = observed({2.5f, 2.5f});
  for (CalibratorKind kind :
       {CalibratorKind::minmax, CalibratorKind::percentile, CalibratorKind::entropy,
        CalibratorKind::mse, CalibratorKind::moving_average}) {
    const QuantParams p = calibrate(s, kUint8, {.kind = kind});
    EXPECT_FLOAT_EQ(p.scale[0] * 255.0f, 2.5f) << name_of(kind);
  }
  const QuantParams zero = calibrate(observed({0.0f}), kUint8, {.kind = CalibratorKind::mse});
  EXPECT_EQ(zero.scale, std::vector{1.0f});
}

TEST(CalibrateTest, formats_without_scale_need_no_statistics) {
  EXPECT_TRUE(calibrate({}, {.dtype = DType::f16}, {}).scale.empty());
}

TEST(CalibrateTest, a_tensor_no_image_reached_is_an_error) {
  try {
    (void)calibrate({}, kInt8, {});
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_STREQ(e.what(), "a tensor was not calibrated: no image reached it");
  }
}

TEST(CalibrateTest, names_round_trip_and_others_are_refused) {
  for (CalibratorKind kind :
       {CalibratorKind::minmax, CalibratorKind::percentile, CalibratorKind::entropy,
        CalibratorKind::mse, CalibratorKind::moving_average})
    EXPECT_EQ(parse_calibrator(name_of(kind)), kind);
  EXPECT_EQ(parse_calibrator("max"), CalibratorKind::minmax);
  try {
    (void)parse_calibrator("entropie");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_STREQ(
        e.what(),
        "unknown calibrator 'entropie' [quantization.calibrator]. Did you mean 'entropy'?");
  }
}

}  // namespace
}  // namespace qsweep
