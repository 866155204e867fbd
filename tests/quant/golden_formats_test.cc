#include <bit>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "src/base/hash.h"

#include "src/quant/affine.h"
#include "src/quant/float_codes.h"
#include "src/quant/weight.h"

namespace qsweep {
namespace {

/// tests/golden/float_formats.txt, what ml_dtypes says: the rest of each line by its first two
/// words.
const std::map<std::string, std::string>& golden() {
  static const auto lines = [] {
    std::map<std::string, std::string> all;
    std::ifstream file(std::string(std::getenv("QSWEEP_SOURCE_DIR")) +
                       "/tests/golden/float_formats.txt");
    for (std::string line; std::getline(file, line);) {
      std::istringstream in(line);
      std::string kind, format, rest;
      in >> kind >> format;
      std::getline(in >> std::ws, rest);
      all[kind + " " + format] = rest;
    }
    return all;
  }();
  return lines;
}

constexpr std::uint32_t kNanBits = 0x7FC00000u;

std::uint32_t bits_of(float x) {
  return std::isnan(x) ? kNanBits : std::bit_cast<std::uint32_t>(x);
}

template <class T>
std::string digest(const std::vector<T>& values) {
  return sha256_hex(
      std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
}

std::string digest_of_floats(const Tensor& t) {
  std::vector<std::uint32_t> bits;
  for (const float x : t.data<float>()) bits.push_back(bits_of(x));
  return digest(bits);
}

/// Float32 patterns in steps of a prime, NaN left out: the generator's sample.
std::vector<float> sampled_values() {
  std::vector<float> values;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 65521) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!std::isnan(x)) values.push_back(x);
  }
  return values;
}

/// The generator's tensor: integers times powers of two, a row of tiny values, a row of zeros.
Tensor test_tensor(std::int64_t rows, std::int64_t columns) {
  Tensor t(DType::f32, {rows, columns});
  std::uint32_t state = 1;
  std::int64_t i = 0;
  for (float& x : t.mutable_data<float>()) {
    state = state * 1664525u + 1013904223u;
    const auto integer = static_cast<double>(static_cast<std::int64_t>(state >> 8) - (1 << 23));
    x = static_cast<float>(std::ldexp(integer, -20 - static_cast<int>((state >> 5) % 8)));
    if (i < columns) x *= 0x1p-30f;
    if (i >= columns && i < 2 * columns) x = 0.0f;
    ++i;
  }
  return t;
}

class SmallFloatGoldenTest : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Formats,
                         SmallFloatGoldenTest,
                         testing::Values(DType::f8e4m3fn, DType::f8e5m2, DType::f4e2m1),
                         [](const auto& p) { return std::string(name_of(p.param)); });

TEST_P(SmallFloatGoldenTest, all_codes_have_the_values_of_ml_dtypes) {
  const std::string format(name_of(GetParam()));
  std::istringstream in(golden().at("codes " + format));
  unsigned code = 0;
  for (std::string word; in >> word; ++code) {
    EXPECT_EQ(bits_of(decode_small_float(static_cast<std::uint8_t>(code), GetParam())),
              std::stoul(word, nullptr, 16))
        << code;
  }
  EXPECT_EQ(code, 1u << stored_bits(GetParam()));
}

TEST_P(SmallFloatGoldenTest, values_round_to_the_codes_of_ml_dtypes) {
  std::vector<std::uint8_t> codes;
  for (const float x : sampled_values()) codes.push_back(encode_small_float(x, GetParam()));
  EXPECT_EQ(digest(codes), golden().at("encode " + std::string(name_of(GetParam()))));
}

TEST(HalfGoldenTest, all_65536_codes_and_the_sample_agree_with_numpy) {
  std::vector<std::uint32_t> decoded;
  for (unsigned code = 0; code < 65536; ++code)
    decoded.push_back(bits_of(half_to_float(static_cast<std::uint16_t>(code))));
  EXPECT_EQ(digest(decoded), golden().at("decode float16"));
  std::vector<std::uint16_t> codes;
  for (const float x : sampled_values()) codes.push_back(float_to_half(x));
  EXPECT_EQ(digest(codes), golden().at("encode float16"));
}

TEST(Bfloat16GoldenTest, all_65536_codes_and_the_sample_agree_with_ml_dtypes) {
  std::vector<std::uint32_t> decoded;
  for (unsigned code = 0; code < 65536; ++code)
    decoded.push_back(bits_of(bfloat16_to_float(static_cast<std::uint16_t>(code))));
  EXPECT_EQ(digest(decoded), golden().at("decode bfloat16"));
  std::vector<std::uint16_t> codes;
  for (const float x : sampled_values()) codes.push_back(float_to_bfloat16(x));
  EXPECT_EQ(digest(codes), golden().at("encode bfloat16"));
}

class BlockFormatTest : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::string expected() const {
    const std::string line = golden().at(std::string("blocks ") + GetParam());
    return line.substr(line.find(' ') + 1);
  }
  const Precision precision_ = parse_precision(GetParam());
  const Tensor x_ = test_tensor(48, 40);  // the last block of a row is shorter
};
INSTANTIATE_TEST_SUITE_P(Formats,
                         BlockFormatTest,
                         testing::Values("NVFP4", "MXFP4", "MXFP8"),
                         [](const auto& p) { return std::string(p.param); });

TEST_P(BlockFormatTest, weights_agree_with_the_generator) {
  const QuantizedWeight q = quantize_weight(x_, {0, 1}, precision_.weight);
  EXPECT_EQ(digest_of_floats(q.dequantized()), expected());
  EXPECT_EQ(digest_of_floats(fake_quantize(x_, q.params)), expected());
}

TEST_P(BlockFormatTest, activations_find_the_same_scales_as_they_come) {
  float low = 0.0f, high = 0.0f;
  for (const float v : x_.data<float>()) low = std::min(low, v), high = std::max(high, v);
  QuantParams params = params_from_range(low, high, precision_.activation);
  EXPECT_TRUE(params.scale.empty());
  EXPECT_EQ(digest_of_floats(fake_quantize(x_, params)), expected());

  // As an image tensor: blocks along the channels, whatever the layout.
  params.axis = 1;
  const Tensor image = x_.reshaped({48, 40, 1, 1});
  for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
    const Tensor y = fake_quantize(image.to_layout(layout), params);
    EXPECT_EQ(digest_of_floats(y.to_layout(Layout::row_major)), expected());
  }
}

TEST_P(BlockFormatTest, a_block_with_infinity_becomes_nan_and_its_neighbours_stay) {
  Tensor x = x_.rows(2, 3);
  x.mutable_data<float>()[0] = std::numeric_limits<float>::infinity();
  QuantParams params = params_from_range(-8.0f, 8.0f, precision_.activation);
  const Tensor y = fake_quantize(x, params);
  const auto block = static_cast<std::size_t>(precision_.activation.block_size);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(y.data<float>()[i]), i < block) << i;
}

TEST_P(BlockFormatTest, a_scale_takes_one_byte) {
  const Format& f = precision_.weight;
  const std::int64_t blocks = 48 * ((40 + f.block_size - 1) / f.block_size);
  const std::int64_t codes = 48 * 40 * stored_bits(f.dtype) / 8;
  const std::int64_t tensor_scale = std::string(GetParam()) == "NVFP4" ? 4 : 0;
  EXPECT_EQ(stored_weight_bytes({48, 40}, {0, 1}, f), codes + blocks + tensor_scale);
  EXPECT_EQ(quantize_weight(x_, {0, 1}, f).stored_bytes(), codes + blocks + tensor_scale);
}

TEST(BlockScaleTest, powers_of_two_put_the_largest_value_in_the_top_octave) {
  const Format f = parse_precision("MXFP4").weight;
  for (const float amax : {1.0f, 3.9f, 4.0f, 6.0f, 7.99f, 8.0f, 1e-30f, 1e30f}) {
    const float scale = block_scale(amax, f, 1.0f);
    EXPECT_GE(amax / scale, 4.0f) << amax;
    EXPECT_LT(amax / scale, 8.0f) << amax;
    int exponent = 0;
    EXPECT_EQ(std::frexp(scale, &exponent), 0.5f);
  }
  EXPECT_EQ(block_scale(0.0f, f, 1.0f), 1.0f);
  EXPECT_EQ(block_scale(1e-45f, f, 1.0f), 0x1p-127f);
}

}  // namespace
}  // namespace qsweep
