#include "src/base/allowance.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

namespace qsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

/// A machine of 8 cores and 16 GiB available, as /proc and /sys tell of it.
class AllowanceTest : public ::testing::Test {
 protected:
  AllowanceTest() { write("proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 16777216 kB\n"); }
  ~AllowanceTest() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  [[nodiscard]] Allowance read(int cores = 8) const {
    return read_allowance(cores, kNoLimit, root_);
  }

  const fs::path root_ = fs::path(testing::TempDir()) / "qsweep_allowance_test";
};

TEST_F(AllowanceTest, without_groups_it_is_the_affinity_and_what_the_machine_has) {
  EXPECT_EQ(read().cores, 8);
  EXPECT_EQ(read(1).cores, 1);
  EXPECT_EQ(read(0).cores, 1);
  EXPECT_EQ(read().memory_bytes, 16384 * kMiB);
}

TEST_F(AllowanceTest, quotas_of_version_2_are_rounded_up) {
  write("proc/self/cgroup", "0::/user.slice/job\n");
  write("sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
  EXPECT_EQ(read().cores, 8);
  write("sys/fs/cgroup/user.slice/job/cpu.max", "250000 100000\n");
  EXPECT_EQ(read().cores, 3);
  write("sys/fs/cgroup/user.slice/job/cpu.max", "1000 100000\n");
  EXPECT_EQ(read().cores, 1);
  write("sys/fs/cgroup/user.slice/job/cpu.max", "9223372036854775807 1\n");
  EXPECT_EQ(read().cores, 8);
  write("sys/fs/cgroup/user.slice/job/cpu.max", "nonsense");
  EXPECT_EQ(read().cores, 8);
}

TEST_F(AllowanceTest, limits_of_outer_groups_hold_for_inner_ones) {
  write("proc/self/cgroup", "0::/user.slice/job\n");
  write("sys/fs/cgroup/user.slice/job/cpu.max", "400000 100000\n");
  write("sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
  write("sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
  EXPECT_EQ(read().cores, 2);
  EXPECT_EQ(read().memory_bytes, 1024 * kMiB);
}

TEST_F(AllowanceTest, quotas_of_version_1_in_a_container_that_sees_its_group_at_the_top) {
  write("proc/self/cgroup", "4:memory:/docker/0123\n2:cpu,cpuacct:/docker/0123\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(read().cores, 8);
  EXPECT_EQ(read().memory_bytes, 16384 * kMiB);
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(read().cores, 2);
  EXPECT_EQ(read().memory_bytes, 512 * kMiB);
}

TEST_F(AllowanceTest, pages_of_files_do_not_count_as_taken) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", std::to_string(1000 * kMiB));
  write("sys/fs/cgroup/memory.current", std::to_string(900 * kMiB));
  write("sys/fs/cgroup/memory.stat",
        "anon 1\nfile " + std::to_string(700 * kMiB) + "\nfile_mapped 5\n");
  EXPECT_EQ(read().memory_bytes, 800 * kMiB);
  write("sys/fs/cgroup/memory.current", std::to_string(5000 * kMiB));
  EXPECT_EQ(read().memory_bytes, 0u);
}

TEST_F(AllowanceTest, both_versions_at_once) {
  write("proc/self/cgroup", "3:memory:/a\n0::/b\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(2000 * kMiB));
  write("sys/fs/cgroup/unified/b/memory.max", std::to_string(1000 * kMiB));
  EXPECT_EQ(read().memory_bytes, 1000 * kMiB);
}

TEST(RanksWithinTest, one_for_each_core_unless_memory_is_short) {
  EXPECT_EQ(ranks_within({8, 16384 * kMiB, kNoLimit}), 8);
  EXPECT_EQ(ranks_within({8, 1024 * kMiB, kNoLimit}), 4);
  EXPECT_EQ(ranks_within({8, 16384 * kMiB, 1024 * kMiB}), 2);
  EXPECT_EQ(ranks_within({8, 0, kNoLimit}), 1);
}

TEST(ThisAllowanceTest, follows_the_affinity_and_the_limits_of_the_process) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(this_allowance().cores, 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
  EXPECT_GE(this_allowance().cores, 1);
  EXPECT_GT(this_allowance().memory_bytes, 0u);

  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
  rlimit lower = limit;
  lower.rlim_cur = std::uint64_t{1} << 46;
  if (limit.rlim_cur < lower.rlim_cur) GTEST_SKIP() << "the address space is limited already";
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &lower), 0);
  EXPECT_LE(this_allowance().address_bytes, lower.rlim_cur);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
}

}  // namespace
}  // namespace qsweep
