#include "sweep/plan/pareto.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "src/base/random.h"

namespace qsweep {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

FrontPoint point(double cost, double metric, double other_cost = 0.0, bool valid = true) {
  return {.id = {}, .cost = cost, .other_cost = other_cost, .metric = metric, .valid = valid};
}

/// The definition: nobody is as good in all and better in one; of equals the first.
std::vector<bool> by_definition(const std::vector<FrontPoint>& points) {
  std::vector<bool> front(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    front[i] = points[i].valid;
    for (std::size_t j = 0; j < points.size(); ++j) {
      const FrontPoint &a = points[j], &b = points[i];
      if (!a.valid || i == j || a.cost > b.cost || a.other_cost > b.other_cost ||
          a.metric < b.metric)
        continue;
      if (a.cost < b.cost || a.other_cost < b.other_cost || a.metric > b.metric || j < i)
        front[i] = false;
    }
  }
  return front;
}

std::vector<FrontPoint> random_points(Random& random,
                                      std::size_t n,
                                      std::uint64_t values,
                                      std::uint64_t other_values) {
  std::vector<FrontPoint> points(n);
  for (FrontPoint& p : points) {
    p.cost = static_cast<double>(random.below(values));
    p.other_cost = static_cast<double>(random.below(other_values));
    p.metric = static_cast<double>(random.below(values));
    p.valid = random.below(8) != 0;
  }
  return points;
}

TEST(ParetoFrontTest, agrees_with_the_definition) {
  Random random(7);
  for (int trial = 0; trial < 500; ++trial) {
    // Few distinct values make ties in either coordinate and in both.
    const std::uint64_t other_values = trial % 2 == 0 ? 1 : 6;
    const auto points = random_points(random, random.below(40), 1 + random.below(30), other_values);
    EXPECT_EQ(pareto_front(points), by_definition(points)) << "trial " << trial;
  }
}

TEST(ParetoFrontTest, of_equal_points_the_first_stays) {
  const std::vector points = {point(1, 1), point(1, 1), point(2, 1), point(1, 0)};
  EXPECT_EQ(pareto_front(points), (std::vector{true, false, false, false}));
}

TEST(ParetoFrontTest, a_second_cost_keeps_what_is_better_in_it) {
  const std::vector points = {point(1, 1, 5), point(2, 1, 4), point(2, 1, 5), point(3, 2, 9)};
  EXPECT_EQ(pareto_front(points), (std::vector{true, true, false, true}));
}

TEST(ParetoFrontTest, what_is_not_a_number_takes_no_part) {
  const std::vector points = {point(kNan, 9),      point(0, kNan),          point(-kInfinity, 9),
                              point(0, kInfinity), point(0, 9, 0.0, false), point(0, 9, kNan),
                              point(5, 1)};
  EXPECT_EQ(pareto_front(points), (std::vector{false, false, false, false, false, false, true}));
  EXPECT_DOUBLE_EQ(hypervolume(points, 10, 0), 5.0);
  EXPECT_TRUE(pareto_front({}).empty());
}

TEST(HypervolumeTest, is_the_area_of_the_staircase) {
  // 1..3 wide 2 high, then 3..10 wide 5 high; the last is dominated.
  const std::vector points = {point(1, 2), point(3, 5), point(4, 4)};
  EXPECT_DOUBLE_EQ(hypervolume(points, 10, 0), 2.0 * 2 + 7.0 * 5);
  EXPECT_DOUBLE_EQ(hypervolume(points, 10, 1), 2.0 * 1 + 7.0 * 4);
  EXPECT_DOUBLE_EQ(hypervolume(points, 3, 0), 2.0 * 2) << "the second lies on the reference";
  EXPECT_DOUBLE_EQ(hypervolume(points, 10, 5), 0.0);
  EXPECT_DOUBLE_EQ(hypervolume({}, 10, 0), 0.0);
}

TEST(HypervolumeTest, agrees_with_counting_cells) {
  Random random(9);
  for (int trial = 0; trial < 200; ++trial) {
    const auto points = random_points(random, random.below(20), 12, 3);
    int cells = 0;
    for (int cost = 0; cost < 10; ++cost) {
      for (int metric = 1; metric < 12; ++metric) {
        bool dominated = false;
        for (const FrontPoint& p : points)
          dominated = dominated || (p.valid && p.cost <= cost && p.metric >= metric + 1);
        cells += dominated ? 1 : 0;
      }
    }
    EXPECT_DOUBLE_EQ(hypervolume(points, 10, 1), cells);
  }
}

}  // namespace
}  // namespace qsweep
