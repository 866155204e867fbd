#include "src/base/text.h"

#include <gtest/gtest.h>

namespace qsweep {
namespace {

using Names = std::vector<std::string>;

TEST(EditDistanceTest, counts_insertions_deletions_changes_and_swaps) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("families", "familys"), 2);
  EXPECT_EQ(edit_distance("W4A8", "W4A8F"), 1);
  EXPECT_EQ(edit_distance("cnov1", "conv1"), 1);
  EXPECT_EQ(edit_distance("conv1", "cnov1"), 1);
}

TEST(NearestNamesTest, best_first_and_ties_in_the_order_given) {
  const Names layers = {"stack1.conv2", "stack1.conv1", "stack2.conv1", "fc"};
  EXPECT_EQ(nearest_names("stack1.cov1", layers),
            (Names{"stack1.conv1", "stack1.conv2", "stack2.conv1"}));
  EXPECT_EQ(nearest_names("stack1.conv", layers, 2), (Names{"stack1.conv2", "stack1.conv1"}));
}

TEST(NearestNamesTest, nothing_useful_is_left_out) {
  const Names keys = {"model", "data"};
  EXPECT_TRUE(nearest_names("xyzzy", keys).empty());
  EXPECT_TRUE(nearest_names("anything", {}).empty());
  EXPECT_TRUE(nearest_names("model", keys, 0).empty());
}

TEST(DidYouMeanTest, reads_as_a_sentence) {
  EXPECT_EQ(did_you_mean("modle", Names{"model"}), "Did you mean 'model'?");
  EXPECT_EQ(did_you_mean("conv", Names{"conv1", "conv2"}), "Did you mean 'conv1' or 'conv2'?");
  EXPECT_EQ(did_you_mean("conv", Names{"conv1", "conv2", "conv3", "conv4"}),
            "Did you mean 'conv1', 'conv2' or 'conv3'?");
  EXPECT_EQ(did_you_mean("xyzzy", Names{"model"}), "");
}

TEST(GlobTest, stars_and_question_marks) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("*", "/stack1/conv1"));
  EXPECT_TRUE(glob_match("stack?.*", "stack3.conv1"));
  EXPECT_TRUE(glob_match("*conv*1", "stack1.conv21"));
  EXPECT_TRUE(glob_match("a*b*c", "a_b_bc"));
  EXPECT_FALSE(glob_match("a*b*c", "a_c_b"));
  EXPECT_FALSE(glob_match("conv?", "conv"));
  EXPECT_FALSE(glob_match("conv", "conv1"));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_TRUE(glob_match("", ""));
}

TEST(GlobTest, sets) {
  EXPECT_TRUE(glob_match("conv[12]", "conv2"));
  EXPECT_FALSE(glob_match("conv[12]", "conv3"));
  EXPECT_TRUE(glob_match("conv[0-9]", "conv7"));
  EXPECT_FALSE(glob_match("conv[!0-9]", "conv7"));
  EXPECT_TRUE(glob_match("*[ab]", "xxb"));
  EXPECT_TRUE(glob_match("w[0", "w[0"));  // not closed: an ordinary character
  EXPECT_TRUE(glob_match("[", "["));
}

TEST(GlobTest, many_stars_stay_cheap) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(5000, 'a')));
}

TEST(SplitJoinTest, split_keeps_empty_parts_and_join_undoes_it) {
  for (const std::string text : {"", "a", "a,b", ",a,,b,"}) {
    EXPECT_EQ(join(split(text, ','), ","), text);
  }
  EXPECT_EQ(split(",a,,b", ','), (Names{"", "a", "", "b"}));
  EXPECT_EQ(split("", ','), Names{""});
}

TEST(TrimTest, strips_both_ends_only) {
  EXPECT_EQ(trim("  a b\t\r\n"), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("a"), "a");
}

TEST(HumanTest, bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(320), "320 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(std::uint64_t{12} << 20), "12 MiB");
  EXPECT_EQ(human_bytes((std::uint64_t{1} << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(~std::uint64_t{0}), "16777216 TiB");
}

TEST(HumanTest, seconds) {
  EXPECT_EQ(human_seconds(0.0), "0.0s");
  EXPECT_EQ(human_seconds(12.34), "12.3s");
  EXPECT_EQ(human_seconds(59.97), "1m00s");
  EXPECT_EQ(human_seconds(192.4), "3m12s");
  EXPECT_EQ(human_seconds(3599.6), "1h00m");
  EXPECT_EQ(human_seconds(7500.0), "2h05m");
}

}  // namespace
}  // namespace qsweep
