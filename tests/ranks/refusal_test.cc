#include "ranks/refusal.h"

#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace qsweep {
namespace {

TEST(RefusalTest, ranks_are_named_as_ranges) {
  EXPECT_EQ(name_ranks(std::vector{3}), "rank 3");
  EXPECT_EQ(name_ranks(std::vector{3, 4}), "ranks 3-4");
  EXPECT_EQ(name_ranks(std::vector{3, 5, 6, 7, 8, 9, 12}), "ranks 3, 5-9, 12");
}

TEST(RefusalTest, a_long_list_of_ranks_is_cut_with_a_count) {
  std::vector<int> odd;
  for (int r = 1; r < 100; r += 2) odd.push_back(r);
  EXPECT_EQ(name_ranks(odd), "ranks 1, 3, 5, 7, 9, 11, 13, 15 and 42 more");
  std::vector<int> all(512);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(name_ranks(all), "ranks 0-511");
}

TEST(RefusalTest, equal_reasons_are_said_once_with_ranks_and_hosts) {
  const std::vector<Remark> remarks = {{3, "node17", "no file"},
                                       {4, "node18", "no memory"},
                                       {5, "node17", "no file"},
                                       {6, "node17", "no file"},
                                       {7, "node19", "no file"}};
  EXPECT_EQ(list_remarks(remarks),
            "ranks 3, 5-7 on node17, node19: no file; rank 4 on node18: no memory");
  EXPECT_EQ(list_remarks(std::vector<Remark>{{1, "", "no file"}}), "rank 1: no file");
}

TEST(RefusalTest, many_hosts_and_reasons_are_cut_with_counts) {
  std::vector<Remark> remarks;
  for (int r = 0; r < 10; ++r) remarks.push_back({r, fmt::format("n{}", r), "same"});
  EXPECT_EQ(list_remarks(remarks), "ranks 0-9 on n0, n1, n2, n3 and 6 more: same");
  remarks.clear();
  for (int r = 0; r < 14; ++r) remarks.push_back({r, "n", fmt::format("t{}", r / 2)});
  EXPECT_EQ(list_remarks(remarks),
            "ranks 0-1 on n: t0; ranks 2-3 on n: t1; ranks 4-5 on n: t2; ranks 6-7 on n: t3; "
            "ranks 8-9 on n: t4; 4 more ranks with 2 other reasons");
}

}  // namespace
}  // namespace qsweep
