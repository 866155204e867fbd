#include "sweep/plan/ties.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "sweep/plan/families.h"

#include "tests/graph/graph_builder.h"
#include "tests/plan/layers.h"
#include "tests/support/layer_ids.h"

namespace qsweep {
namespace {

using test::layer_ids;
using Groups = std::vector<std::vector<LayerId>>;

class TiesTest : public ::testing::Test {
 protected:
  TiesTest() { builder_.input("x", {1, 4, 8, 8}); }
  void conv(const std::string& from, const std::string& to) {
    builder_.constant("w_" + to, {4, 4, 1, 1}, std::vector<float>(16, 1.0F));
    builder_.node("Conv", {from, "w_" + to}, {to});
  }
  void op(const std::string& name, const std::vector<std::string>& from, const std::string& to) {
    builder_.node(name, from, {to});
  }
  Groups ties(const std::string& output) {
    const Graph graph = builder_.output(output).build();
    return find_ties(graph, find_layers(graph));
  }
  testing::GraphBuilder builder_;
};

TEST_F(TiesTest, a_residual_chain_is_one_group) {
  conv("x", "c0");
  op("Relu", {"c0"}, "r0");
  conv("r0", "c1");
  op("Add", {"c1", "r0"}, "s1");
  conv("s1", "c2");
  conv("c2", "c3");
  op("Add", {"c3", "s1"}, "s2");
  conv("s2", "c4");
  EXPECT_EQ(ties("c4"), (Groups{layer_ids({0, 1, 3})})) << "c2 lies inside a branch, c4 behind";
}

TEST_F(TiesTest, inputs_of_a_concatenation_through_silu_and_resizing) {
  conv("x", "a");
  op("Sigmoid", {"a"}, "gate");
  op("Mul", {"a", "gate"}, "silu");
  conv("x", "b");
  builder_.constant("scales", {4}, {1, 1, 2, 2});
  builder_.node("Resize", {"b", "", "scales"}, {"up"});
  op("Concat", {"silu", "up"}, "joined");
  builder_.constant("w", {4, 8, 1, 1}, std::vector<float>(32, 1.0F));
  builder_.node("Conv", {"joined", "w"}, {"y"});
  EXPECT_EQ(ties("y"), Groups{layer_ids({0, 1})});
}

TEST_F(TiesTest, a_gate_and_a_normalisation_are_tensors_of_their_own) {
  conv("x", "a");
  conv("x", "squeeze");
  op("Sigmoid", {"squeeze"}, "gate");
  op("Mul", {"a", "gate"}, "gated");
  conv("x", "c");
  builder_.constant("gain", {8}, std::vector<float>(8, 1.0F));
  op("LayerNormalization", {"c", "gain"}, "normal");
  conv("x", "d");
  op("Add", {"gated", "normal"}, "s");
  op("Add", {"s", "d"}, "t");
  conv("t", "y");
  EXPECT_EQ(ties("y"), Groups{layer_ids({0, 3})});
}

TEST_F(TiesTest, what_no_layer_reads_binds_nothing) {
  conv("x", "boxes");
  conv("x", "scores");
  op("Concat", {"boxes", "scores"}, "y");
  EXPECT_TRUE(ties("y").empty());
}

TEST_F(TiesTest, adding_a_constant_is_no_meeting) {
  conv("x", "a");
  builder_.constant("bias", {1}, {1.0F});
  op("Add", {"a", "bias"}, "b");
  conv("b", "y");
  EXPECT_TRUE(ties("y").empty());
}

TEST(LeadersTest, the_first_leads_and_untied_layers_leave) {
  const Groups ties = {layer_ids({0, 2, 5}), layer_ids({1, 3})};
  EXPECT_EQ(leaders_of(ties, 6), layer_ids({0, 1, 0, 1, 4, 0}));
  EXPECT_EQ(leaders_of(ties, 6, layer_ids({0, 3})), layer_ids({0, 1, 2, 3, 4, 2}));
  EXPECT_EQ(leaders_of({}, 3), layer_ids({0, 1, 2}));
  EXPECT_THROW((void)leaders_of(Groups{layer_ids({7})}, 2), Error);
}

TEST(LeadersTest, a_family_counts_and_keeps_whole_groups) {
  const auto layers = test::layers_named({"a", "b", "c", "d", "e"});
  const std::vector<LayerId> leaders = layer_ids({0, 1, 0, 3, 1});
  PrecisionSet precisions;
  const TopKFamily family{precisions.add("W8A8"), precisions.add("FP16"), {0, 1, 2, -1}};
  const auto schemes =
      enumerate_family(family, layer_ids({1, 0, 3}), layers, precisions, "s", leaders);
  ASSERT_EQ(schemes.size(), 4U);
  EXPECT_EQ(to_text(schemes[1].precision, layers, precisions), "*=W8A8; b=FP16; e=FP16");
  EXPECT_EQ(to_text(schemes[2].precision, layers, precisions), "*=FP16; d=W8A8");
  EXPECT_EQ(to_text(schemes[3].precision, layers, precisions), "*=FP16");
  EXPECT_EQ(schemes[3].name, "W8A8 keep FP16 top 3");
}

TEST(LeadersTest, nothing_tied_gives_the_same_schemes) {
  const auto layers = test::layers_named({"a", "b", "c"});
  PrecisionSet precisions;
  const TopKFamily family{precisions.add("W8A8"), precisions.add("FP16"), {0, 1, 2}};
  const auto plain = enumerate_family(family, layer_ids({2, 0, 1}), layers, precisions, "s");
  const auto alone = enumerate_family(family, layer_ids({2, 0, 1}), layers, precisions, "s",
                                      leaders_of({}, layers.size()));
  ASSERT_EQ(plain.size(), alone.size());
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(plain[i].id, alone[i].id);
}

}  // namespace
}  // namespace qsweep
