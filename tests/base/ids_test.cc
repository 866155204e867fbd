#include "src/base/ids.h"

#include <concepts>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

template <class To, class From>
constexpr bool kConverts = std::convertible_to<From, To> || std::constructible_from<To, From>;

static_assert(!kConverts<LayerId, StepId> && !kConverts<NodeId, LayerId>);
static_assert(!std::convertible_to<int, LayerId>, "a number becomes an id only where it says so");
static_assert(!kConverts<int, LayerId> && !kConverts<std::size_t, ShardId>);
static_assert(!std::equality_comparable_with<LayerId, int>);
static_assert(!std::equality_comparable_with<LayerId, StepId>);
static_assert(sizeof(LayerId) == sizeof(std::int32_t), "walks hold millions");

TEST(IdsTest, NoneIsApartFromEveryPosition) {
  const LayerId none;
  EXPECT_FALSE(none);
  EXPECT_TRUE(LayerId(0));
  EXPECT_EQ(none, LayerId(none.value())) << "files and messages give it back";
  EXPECT_LT(none, LayerId(0));
  EXPECT_THROW((void)std::vector<int>{1}.at(none.index()), std::out_of_range);
}

TEST(IdsTest, IsAPosition) {
  const std::vector<int> layers = {7, 8, 9};
  LayerId id(1);
  EXPECT_EQ(layers[id.index()], 8);
  EXPECT_EQ(id.value(), 1);
  EXPECT_EQ(++id, LayerId(std::size_t{2}));
  EXPECT_EQ(*std::set<LayerId>({id, LayerId(1)}).begin(), LayerId(1));
}

TEST(IdsTest, RangesCountFromZero) {
  std::vector<int> seen;
  for (const StepId id : ids<StepId>(3)) seen.push_back(id.value());
  EXPECT_EQ(seen, (std::vector{0, 1, 2}));
  EXPECT_EQ(ids<StepId>(3).size(), 3U);
  EXPECT_TRUE(ids<StepId>(0).begin() == ids<StepId>(0).end());
}

}  // namespace
}  // namespace qsweep
