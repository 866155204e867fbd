#include <algorithm>
#include <cstring>
#include <set>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/dataset.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

/// Labels with one-byte pictures.
class LabelledBytes : public Dataset {
 public:
  LabelledBytes(std::vector<std::int64_t> labels, std::int64_t classes, std::string pictures = {})
      : labels_(std::move(labels)), classes_(classes), pictures_(std::move(pictures)) {}
  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(labels_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    return labels_.at(static_cast<std::size_t>(sample));
  }
  [[nodiscard]] Tensor images(std::span<const std::int64_t>) const override { return {}; }
  [[nodiscard]] Bytes sample_bytes(std::int64_t sample) const override {
    return {static_cast<std::byte>(pictures_.at(static_cast<std::size_t>(sample)))};
  }

 private:
  std::vector<std::int64_t> labels_;
  std::int64_t classes_;
  std::string pictures_;
};

/// `counts[c]` samples of class c, classes mixed.
LabelledBytes with_counts(std::vector<std::int64_t> counts) {
  const auto classes = static_cast<std::int64_t>(counts.size());
  std::vector<std::int64_t> labels;
  while (std::ranges::any_of(counts, [](std::int64_t n) { return n > 0; })) {
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c]-- > 0) {
        labels.push_back(static_cast<std::int64_t>(c));
      }
    }
  }
  return {labels, classes};
}

std::vector<std::int64_t> per_class(const Dataset& data, const std::vector<std::int64_t>& ids) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(data.classes()), 0);
  for (const std::int64_t id : ids) {
    ++counts[static_cast<std::size_t>(data.label(id))];
  }
  return counts;
}

TEST(SamplingTest, first_takes_the_first) {
  const LabelledBytes data = with_counts({5, 5});
  EXPECT_EQ(choose_samples(data, 3, Sampling::first, 42), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(SamplingTest, chosen_ids_are_sorted_distinct_and_fixed_by_the_seed) {
  const LabelledBytes data = with_counts(std::vector<std::int64_t>(10, 400));
  for (const Sampling sampling : {Sampling::random, Sampling::stratified}) {
    const auto ids = choose_samples(data, 256, sampling, 42);
    EXPECT_EQ(ids.size(), 256u);
    EXPECT_TRUE(std::ranges::is_sorted(ids));
    EXPECT_EQ(std::set<std::int64_t>(ids.begin(), ids.end()).size(), 256u);
    EXPECT_EQ(choose_samples(data, 256, sampling, 42), ids);
    EXPECT_NE(choose_samples(data, 256, sampling, 43), ids);
  }
}

TEST(SamplingTest, stratified_is_equal_per_class_within_one) {
  const LabelledBytes data = with_counts({400, 30, 500, 26, 26, 400, 400, 90, 400, 100});
  for (const std::int64_t count : {0, 1, 9, 10, 11, 255, 256, 260}) {
    const auto ids = choose_samples(data, count, Sampling::stratified, 42);
    const auto counts = per_class(data, ids);
    EXPECT_EQ(static_cast<std::int64_t>(ids.size()), count);
    const auto [low, high] = std::ranges::minmax(counts);
    EXPECT_LE(high - low, 1) << count;
  }
}

TEST(SamplingTest, a_small_class_gives_all_it_has) {
  const LabelledBytes data = with_counts({100, 3, 100, 0});
  const auto counts = per_class(data, choose_samples(data, 30, Sampling::stratified, 42));
  EXPECT_EQ(counts[1], 3);
  EXPECT_EQ(counts[3], 0);
  EXPECT_EQ(counts[0] + counts[2], 27);
  EXPECT_LE(std::abs(counts[0] - counts[2]), 1);
  const auto all = choose_samples(data, 203, Sampling::stratified, 42);
  EXPECT_EQ(all.size(), 203u);
}

TEST(SamplingTest, too_many_is_an_error) {
  const LabelledBytes data = with_counts({2, 2});
  EXPECT_EQ(testing::error_text<Error>(
                [&] { static_cast<void>(choose_samples(data, 5, Sampling::random, 1)); }),
            "5 images are asked for, the data has 4 [images]");
}

TEST(SamplingTest, names) {
  EXPECT_EQ(parse_sampling("first"), Sampling::first);
  EXPECT_EQ(parse_sampling("random"), Sampling::random);
  EXPECT_EQ(parse_sampling("stratified"), Sampling::stratified);
  EXPECT_EQ(testing::error_text<Error>([] { static_cast<void>(parse_sampling("stratifed")); }),
            "unknown sampling 'stratifed' [sampling]. Did you mean 'stratified'?");
}

TEST(OverlapTest, finds_equal_pictures_among_the_ids_given) {
  const LabelledBytes a({0, 0, 0, 0}, 1, "abca");
  const LabelledBytes b({0, 0, 0}, 1, "xac");
  const std::vector<std::int64_t> all_a{3, 0, 1, 2};
  const std::vector<std::int64_t> all_b{0, 1, 2};
  EXPECT_EQ(overlapping_samples(a, all_a, b, all_b), (std::vector<std::int64_t>{3, 0, 2}));
  EXPECT_EQ(overlapping_samples(a, all_a, b, std::vector<std::int64_t>{2}),
            std::vector<std::int64_t>{2});
  EXPECT_TRUE(overlapping_samples(a, std::vector<std::int64_t>{1}, b, all_b).empty());
}

}  // namespace
}  // namespace qsweep
