#include "src/quant/presets.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

std::string golden(std::string_view name) {
  std::ifstream file(std::string(std::getenv("QSWEEP_SOURCE_DIR")) + "/tests/golden/presets/" +
                     std::string(name) + ".json");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(PresetTest, each_is_what_its_golden_file_says) {
  for (const Preset& p : known_presets()) EXPECT_EQ(to_json(p), golden(p.name)) << p.name;
  for (const SkipList& l : known_skip_lists()) EXPECT_EQ(to_json(l), golden(l.name)) << l.name;
}

TEST(PresetTest, names_are_found_in_any_case_and_families_mean_one_preset_each) {
  EXPECT_EQ(find_preset("int8_default_cfg").name, "INT8_DEFAULT_CFG");
  EXPECT_EQ(find_preset("W4A16").name, "INT4_BLOCKWISE_WEIGHT_ONLY_CFG");
  EXPECT_EQ(find_preset("w4a8").name, "INT4_WEIGHT_FP8_ACT_CFG");
  EXPECT_EQ(find_preset("w8a16").name, "INT8_WEIGHT_ONLY_CFG");
  std::set<std::string_view> names, families;
  for (const Preset& p : known_presets()) {
    EXPECT_TRUE(names.insert(p.name).second);
    EXPECT_TRUE(p.family.empty() || families.insert(p.family).second);
  }
  try {
    (void)find_preset("INT8_DEFALT_CFG");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_TRUE(e.hint().find("INT8_DEFAULT_CFG") != std::string::npos) << e.hint();
  }
}

TEST(PresetTest, modes_name_presets) {
  EXPECT_EQ(preset_of_mode("int8").name, "INT8_DEFAULT_CFG");
  EXPECT_EQ(preset_of_mode("fp8").name, "FP8_DEFAULT_CFG");
  EXPECT_EQ(preset_of_mode("int4").name, "INT4_BLOCKWISE_WEIGHT_ONLY_CFG");
  EXPECT_THROW((void)preset_of_mode("int2"), Error);
  EXPECT_EQ(weight_algorithm_name("max"), "rtn");
  EXPECT_EQ(weight_algorithm_name("rtn_dq"), "rtn");
  EXPECT_EQ(weight_algorithm_name("awq_lite"), "awq_lite");
}

TEST(PresetTest, skip_lists_and_patterns_disable_what_they_match) {
  const std::vector<QuantRule> rules = skip_rules({"vit-skip-min", "*stem*"});
  std::vector<std::string> selectors;
  for (const QuantRule& r : rules) {
    selectors.push_back(r.selector);
    EXPECT_FALSE(r.format.is_quantized());
    EXPECT_EQ(r.optional, r.selector != "*stem*");
  }
  EXPECT_EQ(selectors, (std::vector<std::string>{"*patch_embed*", "*blocks.0.*", "*norm*", "*head*",
                                                 "*stem*"}));
}

QuantizerAttributes bits(std::vector<int> num_bits) {
  QuantizerAttributes a;
  a.num_bits = std::move(num_bits);
  return a;
}

TEST(AttributesTest, mean_formats_and_are_written_back) {
  QuantizerAttributes int8 = bits({8});
  int8.axis = 0;
  EXPECT_EQ(to_format(int8).dtype, DType::i8);
  EXPECT_EQ(to_format(int8).granularity, Granularity::per_channel);
  EXPECT_EQ(attributes_json(to_format(int8)), R"({"num_bits": 8, "axis": 0})");
  EXPECT_EQ(attributes_json(to_format(bits({4, 3}))), R"({"num_bits": [4, 3], "axis": null})");
  EXPECT_EQ(attributes_json(to_format(bits({5, 2}))), R"({"num_bits": [5, 2], "axis": null})");
  EXPECT_EQ(attributes_json(to_format(bits({16}))), R"({"num_bits": 16})");
  QuantizerAttributes uint8 = bits({8});
  uint8.is_unsigned = true;
  EXPECT_EQ(to_format(uint8).dtype, DType::u8);
  EXPECT_FALSE(to_format(uint8).symmetric);
  EXPECT_EQ(attributes_json(to_format(uint8)),
            R"({"num_bits": 8, "axis": null, "unsigned": true})");
  QuantizerAttributes nvfp4 = bits({2, 1});
  nvfp4.block_size = 16;
  nvfp4.scale_bits = {4, 3};
  EXPECT_EQ(to_format(nvfp4), parse_precision("NVFP4").weight);
  EXPECT_EQ(attributes_json(to_format(nvfp4)),
            R"({"num_bits": [2, 1], "block_sizes": {"-1": 16, "scale_bits": [4, 3]}})");
  QuantizerAttributes off;
  off.enable = false;
  EXPECT_FALSE(to_format(off).is_quantized());
  EXPECT_EQ(attributes_json(to_format(off)), R"({"enable": false})");
}

TEST(AttributesTest, what_has_no_format_is_refused) {
  EXPECT_THROW((void)to_format(bits({3})), Error);
  EXPECT_THROW((void)to_format(bits({3, 2})), Error);
  QuantizerAttributes a = bits({8});
  a.axis = 1;
  EXPECT_THROW((void)to_format(a), Error);
  a.axis = 0;
  a.block_size = 32;
  EXPECT_THROW((void)to_format(a), Error);
  QuantizerAttributes scales = bits({2, 1});
  scales.scale_bits = {8, 0};
  EXPECT_THROW((void)to_format(scales), Error) << "one-byte scales are per block";
  scales.block_size = 32;
  scales.scale_bits = {5, 2};
  EXPECT_THROW((void)to_format(scales), Error);
}

TEST(JsonStringTest, escapes_what_json_asks_for) {
  EXPECT_EQ(json_string("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
}

}  // namespace
}  // namespace qsweep
