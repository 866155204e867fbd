#include "src/quant/format.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

std::string message_of(std::string_view name) {
  try {
    (void)parse_precision(name);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    return e.what();
  }
  return "accepted";
}

TEST(CodeRangeTest, follows_width_sign_and_options) {
  const auto range = [](Format f) {
    return std::pair(code_range(f).lowest, code_range(f).highest);
  };
  EXPECT_EQ(range({.dtype = DType::i8}), std::pair(-127, 127));
  EXPECT_EQ(range({.dtype = DType::i8, .narrow_range = false}), std::pair(-128, 127));
  EXPECT_EQ(range({.dtype = DType::i8, .symmetric = false}), std::pair(-128, 127));
  EXPECT_EQ(range({.dtype = DType::i8, .reduce_range = true}), std::pair(-63, 63));
  EXPECT_EQ(range({.dtype = DType::u8}), std::pair(0, 255));
  EXPECT_EQ(range({.dtype = DType::u8, .reduce_range = true}), std::pair(0, 127));
  EXPECT_EQ(range({.dtype = DType::i4}), std::pair(-7, 7));
  EXPECT_EQ(range({.dtype = DType::u4}), std::pair(0, 15));
  EXPECT_EQ(range({.dtype = DType::i16}), std::pair(-32767, 32767));
  EXPECT_EQ(range({.dtype = DType::u16}), std::pair(0, 65535));
  EXPECT_THROW((void)code_range({.dtype = DType::f16}), Error);
}

TEST(ParsePrecisionTest, reads_weight_and_activation) {
  const Precision p = parse_precision("W8A8");
  EXPECT_EQ(p.weight.dtype, DType::i8);
  EXPECT_EQ(p.weight.granularity, Granularity::per_channel);
  EXPECT_TRUE(p.weight.symmetric);
  EXPECT_TRUE(p.weight.narrow_range);
  EXPECT_EQ(p.activation.dtype, DType::u8);
  EXPECT_EQ(p.activation.granularity, Granularity::per_tensor);
  EXPECT_FALSE(p.activation.symmetric);
  EXPECT_TRUE(is_integer_arithmetic(p));

  const Precision fp8 = parse_precision("W4A8F");
  EXPECT_EQ(fp8.weight.dtype, DType::i4);
  EXPECT_EQ(fp8.activation.dtype, DType::f8e4m3fn);
  EXPECT_TRUE(fp8.activation.symmetric);
  EXPECT_FALSE(is_integer_arithmetic(fp8));

  const Precision weight_only = parse_precision("W4A16");
  EXPECT_FALSE(weight_only.activation.is_quantized());
  EXPECT_FALSE(parse_precision("FP32").weight.is_quantized());
  EXPECT_EQ(parse_precision("FP16").activation.dtype, DType::f16);
  EXPECT_EQ(parse_precision("bf16").weight.dtype, DType::bf16);
}

TEST(ParsePrecisionTest, reads_granularity_suffixes) {
  EXPECT_EQ(parse_precision("W4A16:g128").weight.block_size, 128);
  EXPECT_EQ(parse_precision("W4A16:g128").weight.granularity, Granularity::per_block);
  EXPECT_EQ(parse_precision("W8A8:tensor").weight.granularity, Granularity::per_tensor);
  EXPECT_EQ(parse_precision("W8A8:tensor").activation.granularity, Granularity::per_tensor);
}

TEST(ParsePrecisionTest, spellings_of_one_precision_are_equal) {
  EXPECT_EQ(parse_precision(" w4a16:G0128 "), parse_precision("W4A16:g128"));
  EXPECT_EQ(parse_precision("w4a16:G0128").name, "W4A16:g128");
  EXPECT_EQ(parse_precision("W8A8:channel"), parse_precision("W8A8"));
  EXPECT_EQ(parse_precision("W8A8:per_layer"), parse_precision("W8A8:tensor"));
  EXPECT_EQ(parse_precision("W8A8:per_channel"), parse_precision("W8A8"));
  const QuantDefaults tensor{.weight_granularity = Granularity::per_tensor};
  EXPECT_EQ(parse_precision("W8A8:tensor", tensor).name, "W8A8");
  EXPECT_EQ(parse_precision("W8A8:channel", tensor).name, "W8A8:channel");
}

TEST(ParsePrecisionTest, every_known_name_is_its_own_canonical_name) {
  for (const std::string& name : known_precisions()) {
    EXPECT_EQ(parse_precision(name).name, name);
    EXPECT_EQ(parse_precision(parse_precision(name).name), parse_precision(name));
  }
  EXPECT_EQ(known_precisions().size(), 18u);  // 6 with names, and 4 weights x 3 activations
}

TEST(ParsePrecisionTest, follows_the_defaults) {
  const QuantDefaults d{.weight_symmetric = false,
                        .weight_reduce_range = true,
                        .activation_symmetric = true,
                        .activation_int8 = DType::i8};
  const Precision p = parse_precision("W8A8", d);
  EXPECT_FALSE(p.weight.symmetric);
  EXPECT_FALSE(p.weight.narrow_range);
  EXPECT_TRUE(p.weight.reduce_range);
  EXPECT_EQ(p.activation.dtype, DType::i8);
  EXPECT_TRUE(p.activation.symmetric);
  EXPECT_EQ(code_range(p.activation).lowest, -127);
  EXPECT_FALSE(parse_precision("W4A8", d).weight.reduce_range) << "INT4 has no bit to spare";
  EXPECT_TRUE(parse_precision("W8FA8F", d).weight.symmetric);
}

TEST(ParsePrecisionTest, every_pair_of_operands_has_a_name_that_reads_back) {
  const std::vector<QuantDefaults> all_defaults = {
      {},
      {.weight_granularity = Granularity::per_tensor,
       .activation_symmetric = true,
       .activation_int8 = DType::i8},
      {.weight_symmetric = false, .weight_unsigned = true}};
  for (const QuantDefaults& d : all_defaults) {
    for (const OperandFormat& w : operand_formats()) {
      for (const OperandFormat& a : operand_formats()) {
        if (!w.of_weights || !a.of_activations) continue;
        const std::string name = "W" + std::string(w.text) + "A" + std::string(a.text);
        const Precision p = parse_precision(name, d);
        EXPECT_EQ(parse_precision(p.name, d), p) << name;
        if (w.text == "16" && a.text == "16") continue;  // not FP16: activations are left alone
        EXPECT_EQ(parse_precision(spell_precision(p.weight, p.activation), d), p) << name;
      }
    }
  }
}

TEST(ParsePrecisionTest, sign_and_symmetry_of_activations_can_be_said) {
  const Precision s = parse_precision("W8A8S");
  EXPECT_EQ(s.activation.dtype, DType::i8);
  EXPECT_TRUE(s.activation.symmetric);
  EXPECT_EQ(code_range(s.activation).lowest, -127);
  EXPECT_EQ(s.name, "W8A8S");
  EXPECT_EQ(parse_precision("W8A8U").name, "W8A8") << "what the defaults say";
  const QuantDefaults d{.activation_symmetric = true, .activation_int8 = DType::i8};
  EXPECT_EQ(parse_precision("W8A8S", d).name, "W8A8");
  EXPECT_EQ(parse_precision("W8A8U", d).name, "W8A8U");
  EXPECT_EQ(parse_precision("W8UA8").weight.dtype, DType::u8);
  EXPECT_EQ(parse_precision("W8A8", {.weight_unsigned = true}).weight.dtype, DType::u8);
  EXPECT_EQ(parse_precision("W4A4").activation.dtype, DType::u4);
}

TEST(ParsePrecisionTest, block_formats_bring_their_blocks) {
  const Precision nvfp4 = parse_precision("W4NVA4NV");
  EXPECT_EQ(nvfp4, parse_precision("nvfp4"));
  EXPECT_EQ(nvfp4.name, "NVFP4");
  EXPECT_EQ(nvfp4.weight.block_size, 16);
  EXPECT_EQ(nvfp4.weight.scale, ScaleFormat::e4m3);
  EXPECT_TRUE(needs_range(nvfp4.activation)) << "the tensor's scale";
  const Precision mxfp4 = parse_precision("MXFP4");
  EXPECT_EQ(mxfp4.weight.block_size, 32);
  EXPECT_EQ(mxfp4.weight.scale, ScaleFormat::e8m0);
  EXPECT_FALSE(needs_range(mxfp4.activation));
  EXPECT_EQ(parse_precision("MXFP8").weight.dtype, DType::f8e4m3fn);
  EXPECT_EQ(weight_bits(nvfp4), 4);
  EXPECT_EQ(activation_bits(mxfp4), 4);
  EXPECT_EQ(message_of("NVFP4:g32"),
            "'NVFP4:g32' says how weights share scales, and this format has blocks of 16. Write "
            "NVFP4.");
  EXPECT_THROW((void)spell_precision(parse_precision("W8A8:g32").weight, {.dtype = DType::f4e2m1}),
               Error);
}

TEST(ParsePrecisionTest, says_what_was_meant) {
  EXPECT_EQ(message_of("W8A9"),
            "unknown precision 'W8A9'. Did you mean 'W8A8', 'W4A8' or 'W8A8F'?");
  EXPECT_EQ(message_of("FP61"), "unknown precision 'FP61'. Did you mean 'FP16' or 'FP32'?");
  EXPECT_EQ(message_of("W16A8:g32"),
            "'W16A8:g32' says how weights share scales, and FP16 weights have none. Write W16A8.");
  for (const char* bad :
       {"", "W", "WA", "A8", "8A8", "W8A8:", "W8A8:g", "W8A8:g0", "W8A8:g-1", "W8A8:g1x",
        "W8A8:g99999999999999999999", "W8A8:block", "FP32:tensor", "W8 A8", "W8A8A8", "INT8"})
    EXPECT_TRUE(message_of(bad).starts_with("unknown precision '")) << bad;
}

TEST(PrecisionBitsTest, counts_what_is_stored) {
  const auto bits = [](std::string_view name) {
    const Precision p = parse_precision(name);
    return std::pair(weight_bits(p), activation_bits(p));
  };
  EXPECT_EQ(bits("FP32"), std::pair(32, 32));
  EXPECT_EQ(bits("FP16"), std::pair(16, 16));
  EXPECT_EQ(bits("W8A8"), std::pair(8, 8));
  EXPECT_EQ(bits("W4A16"), std::pair(4, 16));
  EXPECT_EQ(bits("W8FA8F"), std::pair(8, 8));
}

}  // namespace
}  // namespace qsweep
