#include "sweep/stages/calibration.h"

#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "sweep/stages/calibration_cache.h"
#include "sweep/stages/resemblance.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

TensorStats some_stats(float scale) {
  const std::vector<float> values = {-scale, 0.0f, 0.5f * scale, scale};
  TensorStats s;
  s.add_range(values);
  TensorStats h = s.empty_histogram();
  h.add_histogram(values);
  s.take_histogram(h);
  return s;
}

Identity of_model(const char* digest) {
  Identity identity;
  identity.add("model", digest, Decides::statistics);
  identity.add("quantization.calibrator", digest, Decides::schemes);
  return identity;
}

TEST(CalibrationTest, tensors_that_no_image_reached_are_named) {
  EXPECT_NO_THROW(check_calibrated({"a"}, {some_stats(1.0f)}));
  try {
    check_calibrated({"a", "b", "c"}, {TensorStats{}, some_stats(1.0f), TensorStats{}});
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_NE(std::string(e.what()).find("'a', 'c'"), std::string::npos) << e.what();
  }
}

TEST(CalibrationCacheTest, is_read_back_only_by_its_key_and_size) {
  const testing::TempDir directory;
  const auto file = directory.path() / "cache";
  const std::vector<TensorStats> stats = {some_stats(1.0f), some_stats(3.0f)};
  EXPECT_FALSE(read_calibration_cache(file, of_model("a"), 2)) << "there is none yet";
  write_calibration_cache(file, of_model("a"), stats);
  EXPECT_EQ(read_calibration_cache(file, of_model("a"), 2), stats);
  EXPECT_FALSE(read_calibration_cache(file, of_model("b"), 2));
  EXPECT_FALSE(read_calibration_cache(file, of_model("a"), 3));
}

TEST(CalibrationCacheTest, damage_anywhere_is_noticed) {
  const testing::TempDir directory;
  const auto file = directory.path() / "cache";
  write_calibration_cache(file, of_model("a"), {some_stats(1.0f)});
  std::ifstream in(file, std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(in), {});
  const auto reads = [&](const std::string& text) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    return read_calibration_cache(file, of_model("a"), 1).has_value();
  };
  EXPECT_TRUE(reads(whole));
  for (std::size_t i = 0; i < whole.size(); i += i < 200 ? 1 : 997) {
    EXPECT_FALSE(reads(whole.substr(0, i))) << i;
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    EXPECT_FALSE(reads(changed)) << i;
  }
  EXPECT_FALSE(reads(whole + "x"));
}

TEST(ResemblanceTest, sets_a_deviation_apart_are_told_by_trait) {
  std::mt19937 generator(3);
  std::normal_distribution<double> normal;
  const auto set = [&](ImageTraits centre) {
    std::vector<ImageTraits> images(200);
    for (ImageTraits& t : images) {
      for (std::size_t i = 0; i < t.size(); ++i) t[i] = centre[i] * (1.0 + 0.2 * normal(generator));
    }
    return images;
  };
  const auto usual = set({120.0, 60.0, 0.2});
  EXPECT_EQ(describe_mismatch(set({122.0, 61.0, 0.2}), usual), "");
  EXPECT_EQ(describe_mismatch(usual, {}), "");
  const std::string rough = describe_mismatch(set({120.0, 60.0, 1.1}), usual);
  EXPECT_NE(rough.find("roughness"), std::string::npos) << rough;
  EXPECT_EQ(rough.find("contrast"), std::string::npos) << rough;
  EXPECT_NE(describe_mismatch(set({0.5, 0.24, 0.2}), usual).find("mean"), std::string::npos)
      << "pictures scaled to 1";
}

}  // namespace
}  // namespace qsweep
