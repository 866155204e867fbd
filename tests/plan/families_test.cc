#include "sweep/plan/families.h"

#include <set>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/plan/layers.h"
#include "tests/support/layer_ids.h"

namespace qsweep {
namespace {

class FamilyTest : public testing::Test {
 protected:
  std::vector<Layer> layers_ = test::layers_named({"a", "b", "c", "d"});
  PrecisionSet precisions_;

  std::vector<Scheme> enumerate(const TopKFamily& family, std::initializer_list<int> ranking) {
    return enumerate_family(family, test::layer_ids(ranking), layers_, precisions_, "s");
  }
  std::uint8_t id(const char* precision) { return precisions_.add(precision); }
  std::string text(const Scheme& s) { return to_text(s.precision, layers_, precisions_); }
};

TEST_F(FamilyTest, keeps_the_most_sensitive_layers) {
  const auto schemes = enumerate({id("W4A8F"), id("FP16"), {0, 1, 2, -1}, false}, {2, 0, 3, 1});
  ASSERT_EQ(schemes.size(), 4u);
  EXPECT_EQ(text(schemes[0]), "*=W4A8F");
  EXPECT_EQ(text(schemes[1]), "*=W4A8F; c=FP16");
  EXPECT_EQ(schemes[1].name, "W4A8F keep FP16 top 1");
  // Two of each: the precision that was added first is the common one.
  EXPECT_EQ(text(schemes[2]), "*=W4A8F; a=FP16; c=FP16");
  EXPECT_EQ(text(schemes[3]), "*=FP16");
  EXPECT_EQ(schemes[3].name, "W4A8F keep FP16 top 4");
}

TEST_F(FamilyTest, every_k_from_none_to_all_nests) {
  const auto schemes = enumerate({id("W8A8"), id("FP32"), {}, true}, {3, 2, 1, 0});
  ASSERT_EQ(schemes.size(), 5u);
  for (std::size_t k = 0; k < 5; ++k) {
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_EQ(precisions_.at(schemes[k].precision[i]).name, i >= 4 - k ? "FP32" : "W8A8");
  }
}

TEST_F(FamilyTest, k_beyond_the_layers_is_all) {
  EXPECT_EQ(text(enumerate({id("W8A8"), id("FP16"), {100}, false}, {0, 1, 2, 3})[0]), "*=FP16");
}

TEST_F(FamilyTest, layers_without_rank_are_kept_first) {
  const auto schemes = enumerate({id("W8A8"), id("FP16"), {1, 3}, false}, {3, 0, 1});
  EXPECT_EQ(text(schemes[0]), "*=W8A8; c=FP16");
  EXPECT_EQ(text(schemes[1]), "*=FP16; b=W8A8");
}

TEST_F(FamilyTest, a_space_holds_every_assignment_once) {
  const SchemeSpace space{
      {id("W8A8"), id("FP16"), id("W4A16")}, test::layer_ids({0, 2, 3}), id("FP32")};
  EXPECT_NO_THROW(check_size(space, 27));
  const auto schemes = enumerate_space(space, layers_, precisions_, "s");
  ASSERT_EQ(schemes.size(), 27u);
  EXPECT_EQ(text(schemes[0]), "*=W8A8; b=FP32");
  EXPECT_EQ(text(schemes[1]), "*=W8A8; b=FP32; d=FP16");
  EXPECT_EQ(text(schemes[26]), "*=W4A16; b=FP32");
  std::set<std::vector<std::uint8_t>> distinct;
  for (const Scheme& s : schemes) distinct.insert(s.precision);
  EXPECT_EQ(distinct.size(), 27u);
  EXPECT_EQ(deduplicate(schemes).size(), 27u);
}

TEST_F(FamilyTest, a_space_over_the_budget_is_refused_with_its_size) {
  try {
    check_size({{id("W8A8"), id("FP16"), id("W4A16")}, test::layer_ids({0, 1, 2, 3}), id("FP32")},
               80);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_EQ(e.message(), "3 precisions on 4 layers are 81 schemes, more than 80");
  }
}

TEST_F(FamilyTest, a_ranking_of_other_layers_is_refused) {
  EXPECT_THROW((void)enumerate({id("W8A8"), id("FP16"), {1}, false}, {4}), Error);
  EXPECT_THROW((void)enumerate({id("W8A8"), id("FP16"), {1}, false}, {-1}), Error);
  EXPECT_THROW((void)enumerate({id("W8A8"), id("FP16"), {1}, false}, {1, 1}), Error);
}

TEST_F(FamilyTest, duplicates_leave_their_name_with_the_first) {
  auto schemes = enumerate({id("W8A8"), id("FP16"), {0, -1, 4}, false}, {0, 1, 2, 3});
  for (Scheme& s : uniform_schemes(layers_, precisions_, "s")) schemes.push_back(std::move(s));
  const auto unique = deduplicate(schemes);
  ASSERT_EQ(unique.size(), 3u);
  EXPECT_EQ(unique[0].name, "W8A8 keep FP16 top 0 = W8A8");
  EXPECT_EQ(unique[1].name, "W8A8 keep FP16 top 4 = FP16") << "a repeated name is said once";
  EXPECT_EQ(unique[2].name, "FP32");
  std::set<std::string> ids;
  for (const Scheme& s : unique) ids.insert(s.id);
  EXPECT_EQ(ids.size(), unique.size());
}

TEST_F(FamilyTest, uniform_references_are_one_per_precision) {
  precisions_.add("W8A8");
  precisions_.add("W4A16");
  const auto schemes = uniform_schemes(layers_, precisions_, "s");
  ASSERT_EQ(schemes.size(), 3u);
  EXPECT_EQ(schemes[0].name, "FP32");
  EXPECT_EQ(text(schemes[2]), "*=W4A16");
}

}  // namespace
}  // namespace qsweep
