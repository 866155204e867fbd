#include "sweep/plan/groups.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/plan/layers.h"

namespace qsweep {
namespace {

SensitivityRecord record(
    int layer, double drop, double low, double kl, SensitivityMode mode = SensitivityMode::only) {
  SensitivityRecord r;
  r.layer = LayerId(layer);
  r.metric_drop = drop;
  r.drop_low = low;
  r.kl = kl;
  r.mode = mode;
  return r;
}

TEST(GroupSensitivityTest, says_what_the_worst_layer_of_each_block_says) {
  const auto layers = test::layers_named({"stem", "stack1.a", "stack1.b", "stack2.a", "fc"});
  const std::vector<double> share = {0.02, 0.3, 0.2, 0.46, 0.02};
  const std::vector records = {record(0, 0.03, 0.01, 0.5),
                               record(1, 0.002, 0.001, 0.1),
                               record(2, -0.001, -0.01, 0.3),
                               record(3, 0.02, 0.01, 0.2),
                               record(4, 0.0, -0.01, 0.01),
                               record(4, 0.001, -0.01, 0.02),
                               record(4, 0.9, 0.8, 9.0, SensitivityMode::all_but)};
  const auto groups = group_sensitivity(layers, share, records);
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0].name, "stem");
  EXPECT_EQ(groups[0].sensitivity, SensitivityClass::high);
  EXPECT_EQ(groups[0].recommendation, "Keep higher precision: little to gain");

  EXPECT_EQ(groups[1].name, "stack1");
  EXPECT_EQ(groups[1].layers, 2);
  EXPECT_DOUBLE_EQ(groups[1].worst_drop, 0.002);
  EXPECT_DOUBLE_EQ(groups[1].mean_drop, 0.0005);
  EXPECT_DOUBLE_EQ(groups[1].worst_kl, 0.3);
  EXPECT_DOUBLE_EQ(groups[1].work_share, 0.5);
  EXPECT_EQ(groups[1].sensitivity, SensitivityClass::medium);
  EXPECT_EQ(groups[1].recommendation, "Test in combination");

  EXPECT_EQ(groups[2].sensitivity, SensitivityClass::high);
  EXPECT_EQ(groups[2].recommendation, "Keep higher precision, or search a milder format");

  EXPECT_EQ(groups[3].name, "fc");
  EXPECT_EQ(groups[3].sensitivity, SensitivityClass::low) << "all_but does not count";
  EXPECT_DOUBLE_EQ(groups[3].mean_drop, 0.0005);
  EXPECT_EQ(groups[3].recommendation, "Quantize");
}

TEST(GroupSensitivityTest, the_layers_of_a_group_need_not_be_neighbours) {
  const auto layers = test::layers_named({"stack1.a", "stack2.a", "stack1.b"});
  const auto groups = group_sensitivity(layers, std::vector{0.25, 0.5, 0.25}, {});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].layers, 2);
  EXPECT_DOUBLE_EQ(groups[0].work_share, 0.5);
  EXPECT_EQ(groups[0].mean_drop, 0.0);
}

TEST(GroupSensitivityTest, kinds_of_layers_cut_across_blocks) {
  auto layers = test::layers_named({"patch_embed", "blocks.0.attn.qkv.m", "blocks.0.mlp.fc1.m",
                                    "blocks.1.attn.qkv.m", "blocks.1.mlp.fc1.m", "head"});
  const std::vector<double> share = {0.1, 0.2, 0.2, 0.2, 0.2, 0.1};
  const std::vector records = {record(1, 0.03, 0.01, 0.5), record(3, 0.0, -0.01, 0.1),
                               record(2, 0.0, -0.01, 0.2)};
  auto groups = group_sensitivity(layers, share, records);
  ASSERT_EQ(groups.size(), 8u);
  EXPECT_EQ(groups[6].name, "all attention");
  EXPECT_EQ(groups[6].layers, 2);
  EXPECT_DOUBLE_EQ(groups[6].work_share, 0.4);
  EXPECT_EQ(groups[6].sensitivity, SensitivityClass::high);
  EXPECT_DOUBLE_EQ(groups[6].mean_drop, 0.015);
  EXPECT_EQ(groups[7].name, "all MLP");
  EXPECT_EQ(groups[7].recommendation, "Quantize");

  layers[1].is_depthwise = layers[2].is_depthwise = true;  // one kind takes the place of another
  groups = group_sensitivity(layers, share, records);
  EXPECT_EQ(groups.back().name, "all depthwise");
  EXPECT_EQ(groups.size(), 7u) << "a kind of one block alone is that block";
}

TEST(GroupSensitivityTest, operands_that_do_not_fit_are_refused) {
  const auto layers = test::layers_named({"a"});
  EXPECT_THROW((void)group_sensitivity(layers, {}, {}), Error);
}

}  // namespace
}  // namespace qsweep
