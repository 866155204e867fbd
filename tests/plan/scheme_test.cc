#include "sweep/plan/scheme.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/plan/layers.h"

namespace qsweep {
namespace {

TEST(PrecisionSetTest, holds_each_precision_once_and_fp32_first) {
  PrecisionSet set;
  EXPECT_EQ(set.at(0).name, "FP32");
  EXPECT_EQ(set.add("FP32"), 0);
  const std::uint8_t a = set.add("W8A8"), b = set.add("W4A16:g128");
  EXPECT_EQ(set.add("w8a8"), a);
  EXPECT_EQ(set.add("W8A8:channel"), a) << "per channel is the default";
  EXPECT_EQ(set.index("w4a16:G128"), b);
  EXPECT_EQ(set.all().size(), 3u);
  EXPECT_NE(set.add("W8A8:tensor"), a);
}

TEST(PrecisionSetTest, unknown_and_absent_precisions_are_errors) {
  PrecisionSet set;
  try {
    set.add("W8A88");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_STREQ(e.what(), "unknown precision 'W8A88'. Did you mean 'W8A8', 'W8A8F' or 'W4A8'?");
  }
  try {
    (void)set.index("W8A8");
    FAIL() << "found";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::internal);
  }
}

TEST(PrecisionSetTest, is_limited_to_what_an_index_can_name) {
  PrecisionSet set;
  for (int size = 1; size < 255; ++size) set.add("W4A16:g" + std::to_string(size));
  EXPECT_EQ(set.all().size(), 255u);
  EXPECT_EQ(set.add("W4A16:g254"), 254);
  EXPECT_THROW(set.add("W4A16:g1000"), Error);
}

TEST(MakeSchemeTest, the_id_depends_on_assignment_and_settings_only) {
  PrecisionSet set;
  const std::uint8_t w8 = set.add("W8A8"), w4 = set.add("W4A8");
  const auto layers = test::layers_named({"a", "b"});
  const Scheme s = make_scheme("one", {w8, w4}, layers, set, "settings");
  EXPECT_EQ(s.id.size(), 12u);
  EXPECT_EQ(s.id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(s.id, make_scheme("two", {w8, w4}, layers, set, "settings").id);
  EXPECT_NE(s.id, make_scheme("one", {w4, w8}, layers, set, "settings").id);
  EXPECT_NE(s.id, make_scheme("one", {w8, w4}, layers, set, "other").id);

  PrecisionSet other;  // the same precisions under other indices
  const std::uint8_t o4 = other.add("W4A8"), o8 = other.add("W8A8");
  EXPECT_EQ(s.id, make_scheme("one", {o8, o4}, layers, other, "settings").id);
  EXPECT_THROW((void)make_scheme("short", {w8}, layers, set, ""), Error);
}

TEST(SchemeSizeTest, adds_up_codes_scales_and_biases) {
  PrecisionSet set;
  const std::uint8_t w8 = set.add("W8A8"), w4 = set.add("W4A16:g2"), half = set.add("FP16");
  const std::vector<WeightExtent> extents = {{{4, 3, 2, 2}, {0, 1}, 4},  // 48 weights
                                             {{10, 6}, {1, 0}, 0},       // 60
                                             {{5, 5}, {0, 1}, 5}};       // 25
  const SchemeSize fp32 = scheme_size(std::vector<std::uint8_t>{0, 0, 0}, extents, set);
  EXPECT_EQ(fp32.bytes, (48 + 60 + 25 + 9) * 4);
  EXPECT_DOUBLE_EQ(fp32.effective_bits, 32.0);
  const SchemeSize mixed = scheme_size(std::vector<std::uint8_t>{w8, w4, half}, extents, set);
  // 48 codes and 4 scales; 60 half-byte codes and 5 * 6 scales; 25 halves; biases stay float.
  EXPECT_EQ(mixed.bytes, (48 + 16) + (30 + 120) + 50 + 9 * 4);
  EXPECT_DOUBLE_EQ(mixed.effective_bits, (48.0 * 8 + 60.0 * 4 + 25.0 * 16) / 133.0);
  EXPECT_EQ(scheme_size({}, {}, set).effective_bits, 0.0);
  EXPECT_THROW((void)scheme_size(std::vector<std::uint8_t>{0}, extents, set), Error);
}

TEST(SchemeSizeTest, input_factors_count_where_their_precision_is_used) {
  PrecisionSet set;
  const std::uint8_t w8 = set.add("W8A8"), w4 = set.add("W4A16");
  std::vector<WeightExtent> extents = {{{4, 6}, {0, 1}, 0}, {{2, 4}, {0, 1}, 0}};
  const std::vector<std::uint8_t> mixed = {w4, w8};
  const std::int64_t plain = scheme_size(mixed, extents, set).bytes;
  extents[0].input_factors = {0, 0, 6};  // FP32, W8A8, W4A16
  extents[1].input_factors = {0, 0, 4};
  EXPECT_EQ(scheme_size(mixed, extents, set).bytes, plain + 6 * 4);
  EXPECT_EQ(scheme_size(mixed, extents, set).effective_bits, (24.0 * 4 + 8.0 * 8) / 32.0);
}

TEST(BitOperationsTest, multiplies_macs_by_both_widths) {
  PrecisionSet set;
  const std::uint8_t w8 = set.add("W8A8"), w4 = set.add("W4A16");
  const std::vector<std::int64_t> macs = {100, 10};
  EXPECT_DOUBLE_EQ(bit_operations(std::vector<std::uint8_t>{w8, w4}, macs, set),
                   100.0 * 64 + 10.0 * 64);
  EXPECT_DOUBLE_EQ(bit_operations(std::vector<std::uint8_t>{0, 0}, macs, set), 110.0 * 1024);
}

}  // namespace
}  // namespace qsweep
