#include "src/quant/observer.h"

#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/quant/reference.h"

namespace qsweep {
namespace {

TensorStats ranged(const std::vector<std::vector<float>>& images) {
  TensorStats s;
  for (const auto& image : images) s.add_range(image);
  return s;
}

TEST(TensorStatsTest, keeps_extremes_and_counts_images) {
  const TensorStats s = ranged({{1.0f, 2.0f}, {-3.0f}, {5.0f, 0.0f}});
  EXPECT_EQ(s.min(), -3.0f);
  EXPECT_EQ(s.max(), 5.0f);
  EXPECT_EQ(s.images(), 3);
  const TensorStats positive = ranged({{1.0f, 2.0f}});
  EXPECT_EQ(positive.min(), 1.0f) << "zero is added by the quantizer, not here";
}

TEST(TensorStatsTest, a_value_that_is_not_finite_is_an_error_and_changes_nothing) {
  TensorStats s = ranged({{1.0f, 2.0f}});
  const TensorStats before = s;
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    try {
      s.add_range(std::vector{0.0f, bad});
      FAIL() << "accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::numeric);
    }
    EXPECT_EQ(s, before);
  }
}

TEST(TensorStatsTest, any_split_of_the_images_gives_the_same_value) {
  std::vector<std::vector<float>> images;
  for (unsigned i = 0; i < 12; ++i) images.push_back(test::wide_values(i == 4 ? 0 : 57, i));
  const TensorStats all = ranged(images);
  TensorStats histogram = all.empty_histogram();
  for (const auto& image : images) histogram.add_histogram(image);
  for (std::size_t ranks : {2u, 3u, 12u}) {
    std::vector<TensorStats> parts(ranks);
    for (std::size_t i = 0; i < images.size(); ++i) parts[i % ranks].add_range(images[i]);
    TensorStats merged;
    for (std::size_t r = ranks; r-- > 0;) merged.merge(parts[r]);
    EXPECT_EQ(merged, all);

    std::vector<TensorStats> counts(ranks, all.empty_histogram());
    for (std::size_t i = 0; i < images.size(); ++i) counts[i * 7 % ranks].add_histogram(images[i]);
    TensorStats sum = counts[0];
    for (std::size_t r = 1; r < ranks; ++r) sum.merge(counts[r]);
    EXPECT_EQ(sum, histogram);
  }
}

TEST(TensorStatsTest, merging_nothing_changes_nothing) {
  TensorStats s = ranged({{1.0f, 2.0f}});
  const TensorStats before = s;
  s.merge(TensorStats{});
  EXPECT_EQ(s, before);
  TensorStats empty;
  empty.merge(before);
  EXPECT_EQ(empty, before);
}

TEST(TensorStatsTest, histogram_counts_every_value_in_its_bin) {
  TensorStats s = ranged({{0.0f, 2048.0f}});
  TensorStats h = s.empty_histogram();
  EXPECT_EQ(h.images(), 0);
  h.add_histogram(std::vector{0.0f, -0.0f, 0.5f, 1.0f, 2047.5f, 2048.0f, 100.25f});
  EXPECT_EQ(h.histogram()[2048], 3u);
  EXPECT_EQ(h.histogram()[2049], 1u);
  EXPECT_EQ(h.histogram()[2148], 1u);
  EXPECT_EQ(h.histogram()[4095], 2u);
  EXPECT_EQ(std::accumulate(h.histogram().begin(), h.histogram().end(), std::uint64_t{0}), 7u);
  EXPECT_EQ(h.zeros(), 2u);
  s.take_histogram(h);
  EXPECT_EQ(s.histogram(), h.histogram());
  EXPECT_EQ(s.zeros(), 2u);
  EXPECT_EQ(s.images(), 1);
}

TEST(TensorStatsTest, zero_is_an_edge_whatever_the_range) {
  TensorStats h = ranged({{-3.7f, 0.9f}}).empty_histogram();
  h.add_histogram(std::vector{0.0f, 1e-30f, -1e-30f, -3.7f});
  EXPECT_EQ(h.histogram()[2048], 2u);
  EXPECT_EQ(h.histogram()[2047], 1u);
  EXPECT_EQ(h.histogram()[0], 1u);
}

TEST(TensorStatsTest, a_constant_tensor_has_a_histogram) {
  TensorStats s = ranged({{3.0f, 3.0f}});
  TensorStats h = s.empty_histogram();
  h.add_histogram(std::vector{3.0f, 3.0f});
  EXPECT_EQ(h.histogram()[4095], 2u);
  TensorStats zero = ranged({{0.0f}}).empty_histogram();
  zero.add_histogram(std::vector{0.0f});
  EXPECT_EQ(zero.histogram()[2048], 1u);
}

TEST(TensorStatsTest, means_of_the_extremes_are_exact) {
  // In float or double the small terms would be lost, depending on the order.
  const TensorStats s = ranged({{-1e30f, 1e30f}, {-0.25f, 0.5f}, {1e30f, 1e30f}, {-0.75f, -1e30f}});
  EXPECT_EQ(ranged({{1e30f}, {0.25f}, {-1e30f}}).mean_min(), 0.25 / 3.0);
  EXPECT_EQ(s.mean_max(), (1e30f + 0.5 + 1e30f + -0.75) / 4.0);
  EXPECT_EQ(ranged({{1e-45f}, {1e-45f}}).mean_max(), static_cast<double>(1e-45f));
  constexpr float kMax = std::numeric_limits<float>::max();
  EXPECT_EQ(ranged({{kMax}, {kMax}}).mean_max(), static_cast<double>(kMax));
  EXPECT_EQ(ranged({{-kMax}, {-kMax}}).mean_min(), -static_cast<double>(kMax));
}

TEST(TensorStatsTest, histograms_of_other_ranges_do_not_merge) {
  TensorStats a = ranged({{0.0f, 1.0f}}).empty_histogram();
  const TensorStats b = ranged({{0.0f, 2.0f}}).empty_histogram();
  EXPECT_THROW(a.merge(b), Error);
  EXPECT_THROW(a.take_histogram(b), Error);
  EXPECT_THROW(a.merge(ranged({{0.0f, 1.0f}})), Error);
  TensorStats without = ranged({{0.0f, 1.0f}});
  EXPECT_THROW(without.add_histogram(std::vector{0.5f}), Error);
}

TEST(TensorStatsTest, counts_that_need_several_bytes_are_read_back) {
  TensorStats h = ranged({{0.0f, 1.0f}}).empty_histogram();
  h.add_histogram(std::vector<float>(40000, 0.0f));
  for (int doubling = 0; doubling < 20; ++doubling) h.merge(TensorStats(h));
  ASSERT_EQ(h.histogram()[2048], std::uint64_t{40000} << 20);
  ByteWriter out;
  h.write(out);
  ByteReader in(out.bytes(), "stats");
  EXPECT_EQ(TensorStats::read(in), h);
  Bytes endless = out.bytes();
  for (std::size_t i = endless.size() - 4000; i < endless.size(); ++i)
    endless[i] = static_cast<Bytes::value_type>(0xFF);
  ByteReader bad(endless, "stats");
  EXPECT_THROW((void)TensorStats::read(bad), Error);
}

TEST(TensorStatsTest, is_read_back_as_written_and_every_cut_is_noticed) {
  TensorStats s = ranged({test::wide_values(100, 3)});
  TensorStats h = s.empty_histogram();
  h.add_histogram(test::wide_values(100, 3));
  for (const TensorStats& written : {s, h}) {
    ByteWriter out;
    written.write(out);
    ByteReader in(out.bytes(), "stats");
    EXPECT_EQ(TensorStats::read(in), written);
    in.finish();
    for (std::size_t n = 0; n < out.bytes().size(); n += n < 32 ? 1 : 1000) {
      ByteReader cut(ByteView(out.bytes()).first(n), "stats");
      EXPECT_THROW((void)TensorStats::read(cut), Error) << n;
    }
  }
}

}  // namespace
}  // namespace qsweep
