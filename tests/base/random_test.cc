#include "src/base/random.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

// Shard order, sampling and search proposals of existing runs depend on these numbers; computed
// from the published finaliser in another language.
TEST(RandomTest, numbers_are_fixed_for_all_time) {
  Random random(42);
  EXPECT_EQ(random.next(), 0x46F59DE2B47F29E8ull);
  EXPECT_EQ(random.next(), 0xA077D86CB30B05F8ull);
  EXPECT_EQ(permutation(10, 42, 1), (std::vector<std::int64_t>{5, 2, 9, 7, 1, 3, 8, 4, 0, 6}));
}

TEST(RandomTest, equal_seed_and_stream_give_equal_numbers_and_others_do_not) {
  Random a(1, 2), b(1, 2), other_seed(2, 2), other_stream(1, 3);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t v = a.next();
    EXPECT_EQ(v, b.next());
    EXPECT_NE(v, other_seed.next());
    EXPECT_NE(v, other_stream.next());
  }
}

TEST(RandomTest, below_is_even_over_its_range) {
  constexpr std::uint64_t kBound = 7;
  constexpr int kDraws = 70000;
  std::array<int, kBound> counts{};
  Random random(7);
  for (int i = 0; i < kDraws; ++i) ++counts.at(random.below(kBound));
  // Five standard deviations of a binomial count; the seed is fixed, so this cannot flicker.
  const double mean = kDraws / double{kBound};
  for (const int count : counts) EXPECT_NEAR(count, mean, 5 * std::sqrt(mean));
  EXPECT_THROW((void)random.below(0), Error);
}

TEST(RandomTest, below_stays_under_bounds_that_do_not_divide_the_range) {
  Random random(8);
  const std::uint64_t bound = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(bound), bound);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(random.below(1), 0u);
}

TEST(RandomTest, uniform_and_normal_have_the_moments_of_their_laws) {
  constexpr int kDraws = 100000;
  Random random(9);
  double sum = 0, square = 0, fourth = 0, uniform_sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    ASSERT_TRUE(u >= 0.0 && u < 1.0);
    uniform_sum += u;
    const double z = random.normal();
    ASSERT_TRUE(std::isfinite(z));
    sum += z;
    square += z * z;
    fourth += z * z * z * z;
  }
  EXPECT_NEAR(uniform_sum / kDraws, 0.5, 0.005);
  EXPECT_NEAR(sum / kDraws, 0.0, 0.016);
  EXPECT_NEAR(square / kDraws, 1.0, 0.025);
  EXPECT_NEAR(fourth / kDraws, 3.0, 0.2);
}

TEST(PermutationTest, holds_every_index_once) {
  for (const std::int64_t n : {0, 1, 2, 17, 1000}) {
    std::vector<std::int64_t> order = permutation(n, 3, 4);
    std::sort(order.begin(), order.end());
    ASSERT_EQ(std::ssize(order), n);
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST(PermutationTest, all_orders_of_three_are_equally_likely) {
  std::array<int, 27> counts{};
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    const auto p = permutation(3, seed, 0);
    ++counts.at(static_cast<std::size_t>(9 * p[0] + 3 * p[1] + p[2]));
  }
  int orders = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++orders;
    EXPECT_NEAR(count, 1000, 150);
  }
  EXPECT_EQ(orders, 6);
  EXPECT_THROW((void)permutation(-1, 0, 0), Error);
}

}  // namespace
}  // namespace qsweep
