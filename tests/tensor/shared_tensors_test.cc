#include "src/tensor/shared_tensors.h"

#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

constexpr std::size_t kRoom = std::size_t{1} << 20;

Tensor counting(std::int64_t elements, float first) {
  Tensor t(DType::f32, {elements / 2, 2});
  const auto data = t.mutable_data<float>();
  std::iota(data.begin(), data.end(), first);
  return t;
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && a.layout() == b.layout() &&
         std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

class SharedTensorsTest : public ::testing::Test {
 protected:
  SharedTensors rank(std::size_t room = kRoom) {
    return {{.run = "a run", .ranks = 2, .folder = folder_.path()}, "weights", room};
  }
  testing::TempDir folder_;
};

TEST_F(SharedTensorsTest, what_one_rank_keeps_another_reads) {
  const SharedTensors first = rank(), second = rank();
  const Tensor own = counting(8192, 1.0f), other = counting(8192, 2.0f);
  const Tensor kept = first.keep(own);
  EXPECT_NE(kept.raw(), own.raw());
  EXPECT_TRUE(equal(kept, own));
  EXPECT_EQ(first.keep(own).raw(), kept.raw());

  // The second rank has the file mapped elsewhere: a byte changed through one is seen by the other.
  Tensor seen = second.keep(counting(8192, 1.0f));
  ASSERT_TRUE(equal(seen, own));
  seen.mutable_data<float>()[5] = 77.0f;
  EXPECT_EQ(kept.data<float>()[5], 77.0f);

  EXPECT_TRUE(equal(second.keep(other), other));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "both have it open";
}

TEST_F(SharedTensorsTest, type_shape_and_layout_are_the_callers) {
  const SharedTensors first = rank();
  const Tensor own = counting(8192, 1.0f);
  (void)first.keep(own);
  EXPECT_TRUE(equal(first.keep(own.reshaped({4, 2, 1024})), own.reshaped({4, 2, 1024})));
}

TEST_F(SharedTensorsTest, small_tensors_and_those_without_room_stay_the_callers) {
  const SharedTensors tight = rank(std::size_t{64} << 10);
  const Tensor small = counting(128, 1.0f);
  EXPECT_EQ(tight.keep(small).raw(), small.raw());
  const Tensor fits = counting(8192, 1.0f), more = counting(16384, 1.0f);
  EXPECT_NE(tight.keep(fits).raw(), fits.raw());
  for (int again = 0; again < 2; ++again) EXPECT_EQ(tight.keep(more).raw(), more.raw());
  EXPECT_NE(tight.keep(fits).raw(), fits.raw()) << "found again";
}

TEST_F(SharedTensorsTest, a_tensor_outlives_what_shared_it) {
  const Tensor own = counting(8192, 3.0f);
  Tensor kept;
  {
    const SharedTensors gone = rank();
    kept = gone.keep(own);
  }
  EXPECT_TRUE(equal(kept, own));
}

TEST_F(SharedTensorsTest, ranks_that_keep_the_same_at_once_agree) {
  const SharedTensors ranks[] = {rank(), rank()};
  constexpr int kTensors = 12;
  std::vector<Tensor> kept[2];
  std::vector<std::thread> threads;
  for (int r = 0; r < 2; ++r) {
    threads.emplace_back([&, r] {
      for (int i = 0; i < kTensors; ++i)
        kept[r].push_back(ranks[r].keep(counting(8192, static_cast<float>(i))));
    });
  }
  for (std::thread& t : threads) t.join();
  for (int i = 0; i < kTensors; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_TRUE(equal(kept[0][at], counting(8192, static_cast<float>(i))));
    kept[0][at].mutable_data<float>()[0] = -1.0f;
    EXPECT_EQ(kept[1][at].data<float>()[0], -1.0f) << "one place for both";
  }
}

TEST_F(SharedTensorsTest, a_node_without_such_memory_is_an_error) {
  EXPECT_THROW((void)SharedTensors({.run = "a run", .ranks = 2, .folder = "/nowhere"}, "k", kRoom),
               Error);
}

}  // namespace
}  // namespace qsweep
