#include "sweep/plan/latency.h"

#include <set>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/plan/layers.h"

namespace qsweep {
namespace {

const Device kDevice{
    "toy", "for tests", 100.0, 5.0, {{"fp32", 1000}, {"fp16", 4000}, {"int8", 8000}}};

TEST(RooflineTest, the_slower_of_arithmetic_and_traffic_decides) {
  // 1e9 MACs at 1000 GOP/s: 2 ms; traffic 4e6 elements of 4 bytes at 100 GB/s: 0.16 ms.
  const LayerWork heavy{1'000'000'000, 1'000'000, 1'000'000, 2'000'000};
  const Precision fp32 = parse_precision("FP32"), w8 = parse_precision("W8A8");
  EXPECT_NEAR(roofline_ms(kDevice, heavy, fp32), 2.0 + 0.005, 1e-12);
  EXPECT_NEAR(roofline_ms(kDevice, heavy, w8), 0.25 + 0.005, 1e-12);
  const LayerWork light{1'000, 1'000'000, 1'000'000, 2'000'000};
  EXPECT_NEAR(roofline_ms(kDevice, light, fp32), 0.16 + 0.005, 1e-12);
  EXPECT_NEAR(roofline_ms(kDevice, light, w8), 0.04 + 0.005, 1e-12);
  // Weight-only: 4-bit weights, 16-bit activations: 1e6 + 4e6 bytes.
  EXPECT_NEAR(roofline_ms(kDevice, light, parse_precision("W4A16")), 0.05 + 0.005, 1e-12);
}

TEST(RooflineTest, a_type_the_device_lacks_runs_as_the_next_wider_one) {
  const LayerWork work{1'000'000'000, 1, 1, 1};
  const auto ms = [&](const char* name) {
    return roofline_ms(kDevice, work, parse_precision(name)) - 0.005;
  };
  EXPECT_NEAR(ms("FP16"), 0.5, 1e-12);
  EXPECT_NEAR(ms("BF16"), 0.5, 1e-12) << "as fp16";
  EXPECT_NEAR(ms("W8A8F"), 0.5, 1e-12) << "fp8 as fp16";
  EXPECT_NEAR(ms("W4A16"), 0.5, 1e-12) << "weights are widened to fp16";
  EXPECT_NEAR(ms("W4A8"), 0.25, 1e-12) << "8-bit activations: int8";
  const Device plain{"plain", "", 1e9, 0.0, {{"fp32", 1000}}};
  EXPECT_NEAR(roofline_ms(plain, work, parse_precision("W8A8")), 2.0, 1e-12);
}

TEST(KnownDevicesTest, are_complete_and_plausible) {
  std::set<std::string> names;
  for (const Device& d : known_devices()) {
    EXPECT_TRUE(names.insert(d.name).second) << d.name;
    EXPECT_FALSE(d.description.empty()) << d.name;
    EXPECT_GT(d.bandwidth_gb_s, 1.0) << d.name;
    EXPECT_LT(d.bandwidth_gb_s, 1e4) << d.name;
    EXPECT_TRUE(d.peak_gops.contains("fp32")) << d.name;
    EXPECT_GE(d.peak_gops.at("int8"), d.peak_gops.at("fp32")) << d.name;
    for (const auto& [type, gops] : d.peak_gops) {
      EXPECT_TRUE(
          (std::set<std::string>{"fp32", "fp16", "bf16", "fp8", "int8", "int4"}).contains(type))
          << d.name << " " << type;
      EXPECT_GT(gops, 10.0) << d.name;
    }
    EXPECT_EQ(&find_device(d.name), &d);
  }
  for (const char* name : {"jetson-orin-nano", "jetson-agx-orin", "t4", "a10", "a100", "l4", "h100",
                           "rtx4090", "rtx5090", "cpu-avx512-vnni"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST(KnownDevicesTest, an_unknown_name_is_an_error) {
  try {
    (void)find_device("jetson-orin-nan");
    FAIL() << "found";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_STREQ(e.what(),
                 "unknown device 'jetson-orin-nan' [latency.device]. Did you mean "
                 "'jetson-orin-nano' or 'jetson-agx-orin'?");
  }
  try {
    (void)find_device("zzzzzzzzzzzz");
    FAIL() << "found";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("Known devices: cpu-avx512-vnni, "), std::string::npos);
  }
}

class LatencyTableTest : public testing::Test {
 protected:
  std::vector<Layer> layers_ = test::layers_named({"a", "b", "c"});
  PrecisionSet precisions_;
  std::uint8_t w8_ = precisions_.add("W8A8");
};

TEST_F(LatencyTableTest, a_scheme_costs_its_layers_and_the_rest) {
  const LatencyTable table({"dev"}, 0.5,
                           {{"a", "FP32", 4, "measured", "k"},
                            {"a", "W8A8", 1, "measured", "k"},
                            {"b", "FP32", 2, "measured", "k"},
                            {"b", "W8A8", 1.5, "measured", "k"},
                            {"c", "FP32", 8, "measured", "k"},
                            {"c", "W8A8", 3, "measured", "k"}});
  const auto e = table.scheme_ms(std::vector<std::uint8_t>{w8_, 0, w8_}, layers_, precisions_);
  EXPECT_TRUE(e.complete);
  EXPECT_DOUBLE_EQ(e.ms, 0.5 + 1 + 2 + 3);
  EXPECT_EQ(e.source, "measured");
  EXPECT_EQ(table.place().device, "dev");
  EXPECT_EQ(table.other_ms(), 0.5);
  EXPECT_EQ(table.rows().size(), 6u);
}

TEST_F(LatencyTableTest, says_which_share_comes_from_where) {
  const LatencyTable table({"dev"}, 0.0,
                           {{"a", "FP32", 1, "roofline", ""},
                            {"b", "FP32", 2, "measured", "k"},
                            {"c", "FP32", 4, "measured", "k"}});
  const auto e = table.scheme_ms(std::vector<std::uint8_t>{0, 0, 0}, layers_, precisions_);
  EXPECT_DOUBLE_EQ(e.ms, 7.0);
  EXPECT_EQ(e.source, "measured 2/3, roofline 1/3");
}

TEST_F(LatencyTableTest, a_missing_row_makes_the_estimate_incomplete) {
  const LatencyTable table({"dev"}, 0.0, {{"a", "FP32", 1, "measured", "k"}});
  const auto e = table.scheme_ms(std::vector<std::uint8_t>{0, 0, 0}, layers_, precisions_);
  EXPECT_FALSE(e.complete);
}

TEST_F(LatencyTableTest, lists_what_it_lacks) {
  const LatencyTable table({"dev"}, 0.0,
                           {{"a", "FP32", 1, "table", ""}, {"c", "FP32", 1, "table", ""}});
  EXPECT_EQ(table.missing(layers_, precisions_),
            (std::vector<std::string>{"'b' at FP32", "every layer at W8A8"}));
}

TEST_F(LatencyTableTest, of_two_rows_for_one_layer_the_later_counts) {
  const auto one = test::layers_named({"a"});
  const LatencyTable table({"dev"}, 0.0,
                           {{"a", "FP32", 9, "roofline", ""}, {"a", "FP32", 1, "measured", "k"}});
  const auto e = table.scheme_ms(std::vector<std::uint8_t>{0}, one, precisions_);
  EXPECT_DOUBLE_EQ(e.ms, 1.0);
  EXPECT_EQ(e.source, "measured");
}

}  // namespace
}  // namespace qsweep
