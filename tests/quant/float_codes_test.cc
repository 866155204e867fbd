#include "src/quant/float_codes.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/quant/reference.h"

namespace qsweep {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct SmallFloat {
  DType dtype;
  test::FloatFormat reference;
  unsigned nan;  ///< sign cleared; 0: has none
};

class SmallFloatTest : public testing::TestWithParam<SmallFloat> {
 protected:
  [[nodiscard]] unsigned sign() const { return 1u << (GetParam().reference.bits() - 1); }
  [[nodiscard]] unsigned encode(float x) const { return encode_small_float(x, GetParam().dtype); }
  [[nodiscard]] float decode(unsigned code) const {
    return decode_small_float(static_cast<std::uint8_t>(code), GetParam().dtype);
  }
};
INSTANTIATE_TEST_SUITE_P(Formats,
                         SmallFloatTest,
                         testing::Values(SmallFloat{DType::f8e4m3fn, test::kE4M3Format, 0x7F},
                                         SmallFloat{DType::f8e5m2, test::kE5M2Format, 0x7E},
                                         SmallFloat{DType::f4e2m1, test::kE2M1Format, 0}),
                         [](const auto& p) { return std::string(name_of(p.param.dtype)); });

TEST_P(SmallFloatTest, every_code_decodes_to_its_textbook_value_and_back) {
  const test::FloatFormat& f = GetParam().reference;
  for (unsigned code = 0; code < f.first_special; ++code) {
    const auto value = static_cast<float>(f.magnitude(code));
    EXPECT_EQ(decode(code), value);
    EXPECT_EQ(decode(code | sign()), -value);
    EXPECT_EQ(encode(value), code);
    EXPECT_EQ(encode(-value), code | sign());
  }
}

TEST_P(SmallFloatTest, rounds_half_to_even_around_every_midpoint) {
  const test::FloatFormat& f = GetParam().reference;
  for (unsigned code = 0; code + 1 < f.first_special; ++code) {
    const auto middle = static_cast<float>((f.magnitude(code) + f.magnitude(code + 1)) / 2.0);
    EXPECT_EQ(encode(middle), code + code % 2) << middle;
    EXPECT_EQ(encode(std::nextafter(middle, 0.0f)), code);
    EXPECT_EQ(encode(std::nextafter(middle, kInfinity)), code + 1);
    EXPECT_EQ(encode(-middle), (code + code % 2) | sign());
  }
}

TEST_P(SmallFloatTest, saturates) {
  const test::FloatFormat& f = GetParam().reference;
  const auto largest = static_cast<float>(f.largest());
  for (float x : {largest * 1.01f, largest * 2.0f, 1e30f, kInfinity}) {
    EXPECT_EQ(encode(x), f.first_special - 1) << x;
    EXPECT_EQ(encode(-x), (f.first_special - 1) | sign());
  }
}

TEST_P(SmallFloatTest, nan_becomes_nan_or_the_largest_value) {
  const test::FloatFormat& f = GetParam().reference;
  const unsigned expected = GetParam().nan != 0 ? GetParam().nan : f.first_special - 1;
  EXPECT_EQ(encode(kNan), expected);
  EXPECT_EQ(encode(-kNan), expected | sign());
  if (GetParam().nan != 0) {
    EXPECT_TRUE(std::isnan(decode(GetParam().nan)));
    EXPECT_TRUE(std::isnan(decode(GetParam().nan | sign())));
  }
}

TEST_P(SmallFloatTest, agrees_with_the_textbook_on_random_values) {
  const test::FloatFormat& f = GetParam().reference;
  for (float x : test::wide_values(20000, 7, 4.0f)) {
    const unsigned code =
        std::min(f.nearest(std::fabs(static_cast<double>(x))), f.first_special - 1);
    EXPECT_EQ(encode(x), code | (std::signbit(x) ? sign() : 0u)) << x;
  }
}

TEST(Float8E5M2Test, decodes_infinity_and_all_nans) {
  EXPECT_EQ(decode_small_float(0x7C, DType::f8e5m2), kInfinity);
  EXPECT_EQ(decode_small_float(0xFC, DType::f8e5m2), -kInfinity);
  for (int code : {0x7D, 0x7E, 0x7F, 0xFD})
    EXPECT_TRUE(std::isnan(decode_small_float(static_cast<std::uint8_t>(code), DType::f8e5m2)));
}

TEST(SmallFloatCodesTest, other_types_are_refused) {
  EXPECT_THROW((void)decode_small_float(0, DType::i8), Error);
  EXPECT_THROW((void)encode_small_float(0.0f, DType::f16), Error);
}

TEST(HalfTest, all_codes_decode_to_their_textbook_value_and_back) {
  for (unsigned bits = 0; bits < 0x7C00u; ++bits) {
    const auto value = static_cast<float>(test::kHalfFormat.magnitude(bits));
    const auto code = static_cast<std::uint16_t>(bits);
    const auto negative = static_cast<std::uint16_t>(bits | 0x8000u);
    ASSERT_EQ(half_to_float(code), value);
    ASSERT_EQ(half_to_float(negative), -value);
    ASSERT_EQ(float_to_half(value), code);
    ASSERT_EQ(float_to_half(-value), negative);
  }
  EXPECT_EQ(half_to_float(0x7C00), kInfinity);
  EXPECT_EQ(half_to_float(0xFC00), -kInfinity);
  for (unsigned bits = 0x7C01u; bits <= 0x7FFFu; ++bits) {
    ASSERT_TRUE(std::isnan(half_to_float(static_cast<std::uint16_t>(bits))));
    ASSERT_TRUE(std::isnan(half_to_float(static_cast<std::uint16_t>(bits | 0x8000u))));
  }
}

TEST(HalfTest, rounds_half_to_even_around_every_midpoint) {
  for (unsigned bits = 0; bits + 1 < 0x7C00u; ++bits) {
    const auto middle = static_cast<float>(
        (test::kHalfFormat.magnitude(bits) + test::kHalfFormat.magnitude(bits + 1)) / 2.0);
    ASSERT_EQ(float_to_half(middle), bits + bits % 2) << middle;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0f)), bits);
    ASSERT_EQ(float_to_half(std::nextafter(middle, kInfinity)), bits + 1);
  }
}

TEST(HalfTest, overflows_to_infinity_from_the_midpoint_on) {
  EXPECT_EQ(float_to_half(65504.0f), 0x7BFF);
  EXPECT_EQ(float_to_half(std::nextafter(65520.0f, 0.0f)), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_half(-1e30f), 0xFC00);
  EXPECT_EQ(float_to_half(kInfinity), 0x7C00);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(kNan))));
}

TEST(Bfloat16Test, keeps_the_upper_half_and_rounds_half_to_even) {
  for (float x : test::wide_values(20000, 3, 20.0f)) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t down = bits >> 16, rest = bits & 0xFFFFu;
    const std::uint32_t expected =
        rest > 0x8000u || (rest == 0x8000u && down % 2 == 1) ? down + 1 : down;
    ASSERT_EQ(float_to_bfloat16(x), expected) << x;
    const auto code = static_cast<std::uint16_t>(expected);
    ASSERT_EQ(float_to_bfloat16(bfloat16_to_float(code)), code);
  }
  EXPECT_EQ(float_to_bfloat16(1.00390625f), 0x3F80);  // half way, even below
  EXPECT_EQ(float_to_bfloat16(1.01171875f), 0x3F82);  // half way, even above
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(kNan))));
  EXPECT_TRUE(std::isnan(
      bfloat16_to_float(float_to_bfloat16(std::bit_cast<float>(std::uint32_t{0x7F800001u})))));
}

}  // namespace
}  // namespace qsweep
