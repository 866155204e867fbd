#include "src/base/machine.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "src/base/text.h"

namespace qsweep {
namespace {

bool has(const std::string& feature) {
  const auto& features = this_machine().features;
  return std::find(features.begin(), features.end(), feature) != features.end();
}

TEST(MachineTest, describes_this_machine) {
  const Machine& machine = this_machine();
  EXPECT_FALSE(machine.cpu_model.empty());
  EXPECT_GE(machine.logical_cores, 1);
  EXPECT_GT(machine.memory_bytes, std::uint64_t{64} << 20);
}

// The compiler's CPUID agrees with what the kernel lists.
TEST(MachineTest, features_agree_with_cpuid) {
  EXPECT_EQ(has("avx2"), __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(has("fma"), __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(has("avx512f"), __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(has("avx512_vnni"), __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_EQ(this_machine().has_avx512, __builtin_cpu_supports("avx512bw") != 0);
  EXPECT_EQ(this_machine().has_bf16, has("avx512_bf16"));
  EXPECT_EQ(this_machine().has_avx512_vnni, has("avx512_vnni"));
  EXPECT_EQ(this_machine().has_vnni, has("avx512_vnni") || has("avx_vnni"));
}

TEST(MachineTest, resident_memory_follows_what_is_touched) {
  const std::uint64_t before = resident_bytes();
  const std::vector<char> block(std::size_t{64} << 20, 1);
  EXPECT_GE(resident_bytes(), before + (std::uint64_t{60} << 20));
  // The kernel counts pages in per-thread batches, so the two may be read some pages apart.
  EXPECT_GE(peak_resident_bytes() + (std::uint64_t{1} << 20), resident_bytes());
  EXPECT_EQ(block.back(), 1);
}

TEST(MachineTest, version_and_compiler_are_named) {
  EXPECT_TRUE(glob_match("[0-9]*.[0-9]*.[0-9]*", version())) << version();
  EXPECT_TRUE(glob_match("*g++ [0-9]*", compiler()) || glob_match("*Clang [0-9]*", compiler()))
      << compiler();
}

}  // namespace
}  // namespace qsweep
