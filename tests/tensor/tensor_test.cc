#include "src/tensor/tensor.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

template <class T>
Tensor iota(DType dtype, Shape shape) {
  Tensor t(dtype, std::move(shape));
  auto values = t.mutable_data<T>();
  std::iota(values.begin(), values.end(), T{});
  return t;
}

TEST(ShapeTest, counts_elements) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(element_count({2, 0, 4}), 0);
}

TEST(ShapeTest, negative_or_huge_extents_are_corrupt_input) {
  const std::int64_t big = std::int64_t{1} << 32;
  for (const Shape& shape :
       {Shape{-1}, Shape{2, -3}, Shape{big, big}, Shape{big, big, big, big}, Shape{INT64_MAX, 2}}) {
    try {
      (void)element_count(shape);
      FAIL() << to_string(shape);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::corrupt_input);
    }
  }
}

TEST(ShapeTest, prints) {
  EXPECT_EQ(to_string(Shape{1, 3, 32, 32}), "1x3x32x32");
  EXPECT_EQ(to_string(Shape{}), "scalar");
}

TEST(TensorTest, holds_values_with_type_and_shape) {
  const std::array<float, 6> values = {1, 2, 3, 4, 5, 6};
  const Tensor t = Tensor::of<float>(DType::f32, {2, 3}, values);
  EXPECT_FALSE(t.empty());
  EXPECT_EQ(t.dtype(), DType::f32);
  EXPECT_EQ(t.rank(), 2);
  EXPECT_EQ(t.dim(1), 3);
  EXPECT_EQ(t.dim(-2), 2);
  EXPECT_EQ(t.size(), 6);
  EXPECT_EQ(t.bytes(), 24u);
  EXPECT_EQ(t.data<float>()[5], 6.0f);
  EXPECT_TRUE(Tensor().empty());
}

TEST(TensorTest, misuse_is_caught) {
  const Tensor t(DType::f32, {2, 3});
  EXPECT_THROW((void)t.dim(2), Error);
  EXPECT_THROW((void)t.dim(-3), Error);
  EXPECT_THROW((void)t.data<double>(), Error);
  EXPECT_THROW((void)t.reshaped({7}), Error);
  EXPECT_THROW((void)t.reinterpreted(DType::f16), Error);
  EXPECT_THROW((void)t.rows(1, 3), Error);
  EXPECT_THROW((void)t.rows(2, 1), Error);
  EXPECT_THROW((void)Tensor(DType::f32, {2, -1}), Error);
}

TEST(TensorTest, buffers_are_aligned_and_even_empty_ones_exist) {
  for (std::int64_t n = 0; n < 400; ++n) {
    const Tensor t(DType::u8, {n});
    EXPECT_FALSE(t.empty());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.raw()) % 64, 0u) << n;
  }
}

TEST(TensorTest, reshaped_and_reinterpreted_share_the_buffer) {
  const Tensor t = iota<std::int8_t>(DType::i8, {2, 6});
  const Tensor reshaped = t.reshaped({3, 4});
  EXPECT_EQ(reshaped.raw(), t.raw());
  EXPECT_EQ(reshaped.shape(), (Shape{3, 4}));
  const Tensor four_bit = t.reinterpreted(DType::i4);
  EXPECT_EQ(four_bit.raw(), t.raw());
  EXPECT_EQ(four_bit.dtype(), DType::i4);
}

TEST(TensorTest, channels_last_may_join_and_cut_its_pixels) {
  const Tensor image = iota<float>(DType::f32, {2, 3, 4, 5});
  const Tensor last = image.to_layout(Layout::channels_last);
  for (const Shape& shape : {Shape{2, 3, 20}, Shape{2, 3, 2, 2, 5}}) {
    const Tensor other = last.reshaped(shape);
    EXPECT_EQ(other.raw(), last.raw());
    EXPECT_EQ(other.layout(), Layout::channels_last);
    const Tensor want = image.reshaped(shape), got = other.to_layout(Layout::row_major);
    EXPECT_TRUE(std::ranges::equal(got.data<float>(), want.data<float>()));
  }
  EXPECT_THROW((void)last.reshaped({3, 2, 20}), std::exception);
  EXPECT_THROW((void)last.reshaped({2, 60}), std::exception);
}

TEST(TensorTest, rows_copies_a_slice_of_the_first_axis) {
  const Tensor t = iota<std::int32_t>(DType::i32, {5, 2, 3});
  const Tensor slice = t.rows(1, 3);
  EXPECT_EQ(slice.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(slice.data<std::int32_t>().front(), 6);
  EXPECT_EQ(slice.data<std::int32_t>().back(), 17);
  EXPECT_EQ(t.rows(2, 2).size(), 0);
}

/// Compares to_layout with the definition, element by element.
template <class T>
void check_layouts(DType dtype, const Shape& shape) {
  const Tensor first = iota<T>(dtype, shape);
  const Tensor last = first.to_layout(Layout::channels_last);
  ASSERT_EQ(last.shape(), shape);
  ASSERT_EQ(last.layout(), Layout::channels_last);
  const std::int64_t channels = shape[1];
  const std::int64_t pixels = channels == 0 ? 0 : first.size() / (shape[0] * channels);
  const auto a = first.data<T>();
  const auto b = last.data<T>();
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) {
        ASSERT_EQ(a[static_cast<std::size_t>((n * channels + c) * pixels + p)],
                  b[static_cast<std::size_t>((n * pixels + p) * channels + c)])
            << to_string(shape) << ' ' << name_of(dtype);
      }
    }
  }
  const Tensor back = last.to_layout(Layout::row_major);
  EXPECT_TRUE(std::equal(a.begin(), a.end(), back.data<T>().begin()));
}

TEST(TensorTest, to_layout_is_the_transpose_for_every_element_size) {
  const std::vector<Shape> shapes = {
      {1, 3, 32, 32}, {2, 17, 5, 7}, {3, 1, 4, 4},  {2, 16, 1, 1}, {2, 5, 33},     {1, 20, 3, 4, 5},
      {2, 0, 3, 3},   {1, 8, 2, 4},  {2, 24, 5, 9}, {1, 47, 7, 5}, {1, 255, 13, 2}};
  for (const Shape& shape : shapes) {
    check_layouts<std::uint8_t>(DType::u8, shape);
    check_layouts<std::uint16_t>(DType::f16, shape);
    check_layouts<float>(DType::f32, shape);
    check_layouts<std::int64_t>(DType::i64, shape);
  }
}

TEST(TensorTest, to_layout_shares_when_there_is_nothing_to_move) {
  const Tensor matrix(DType::f32, {4, 5});
  EXPECT_EQ(matrix.to_layout(Layout::channels_last).raw(), matrix.raw());
  const Tensor image(DType::f32, {1, 2, 3, 3});
  EXPECT_EQ(image.to_layout(Layout::row_major).raw(), image.raw());
}

TEST(TensorPoolTest, a_dropped_buffer_serves_the_next_tensor_of_its_size) {
  const void* dropped = Tensor(DType::f32, {1000}).raw();
  const Tensor t(DType::f32, {1000});
  EXPECT_EQ(t.raw(), dropped);
}

TEST(TensorPoolTest, live_bytes_and_peak_follow_the_tensors) {
  const std::uint64_t before = tensor_bytes();
  reset_tensor_peak();
  {
    const Tensor a(DType::f32, {1024});
    const Tensor shared = a;
    EXPECT_EQ(tensor_bytes(), before + 4096);
    const Tensor b(DType::u8, {1});
    EXPECT_EQ(tensor_bytes(), before + 4096 + 64);
  }
  EXPECT_EQ(tensor_bytes(), before);
  EXPECT_EQ(tensor_peak_bytes(), before + 4096 + 64);
  reset_tensor_peak();
  EXPECT_EQ(tensor_peak_bytes(), before);
}

TEST(TensorPoolTest, buffers_may_be_dropped_on_another_thread_and_after_their_own_ended) {
  const std::uint64_t before = tensor_bytes();
  std::vector<Tensor> survivors;
  for (int round = 0; round < 20; ++round) {
    std::vector<Tensor> made;
    std::thread([&] {
      for (int i = 0; i < 20; ++i) made.push_back(iota<float>(DType::f32, {100 + 50 * i}));
    }).join();
    for (const Tensor& t : made) ASSERT_EQ(t.data<float>()[99], 99.0f);
    survivors.push_back(made.back());
    std::thread([gone = std::move(made)]() mutable { gone.clear(); }).join();
  }
  for (const Tensor& t : survivors) EXPECT_EQ(t.data<float>()[99], 99.0f);
  survivors.clear();
  EXPECT_EQ(tensor_bytes(), before);
}

TEST(TensorPoolTest, large_buffers_never_overlap_and_outlive_their_thread) {
  std::vector<Tensor> held(48);
  const auto fill = [&](std::size_t first, std::size_t step) {
    for (std::size_t i = first; i < held.size(); i += step) {
      const auto count = static_cast<std::int64_t>(20'000 + i * 13'577 % 600'000);
      held[i] = Tensor(DType::i32, {count});
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(held[i].raw()) % 64, 0u);
      std::ranges::fill(held[i].mutable_data<std::int32_t>(), static_cast<std::int32_t>(i));
    }
  };
  std::thread(fill, 0, 1).join();  // its pool is gone, its buffers are not
  for (int round = 0; round < 3; ++round) {
    fill(static_cast<std::size_t>(round), 3);
    for (std::size_t i = 0; i < held.size(); ++i) {
      const auto values = held[i].data<std::int32_t>();
      ASSERT_TRUE(std::ranges::all_of(
          values, [=](std::int32_t v) { return v == static_cast<std::int32_t>(i); }))
          << round << ' ' << i;
    }
  }
  std::thread([&] { held.clear(); }).join();
}

TEST(TensorPoolTest, threads_allocate_side_by_side) {
  const std::uint64_t before = tensor_bytes();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 500; ++i) {
          Tensor a(DType::i32, {1 + i % 97});
          for (auto& v : a.mutable_data<int>()) v = t;
          const Tensor b(DType::i32, {1 + i % 97});
          for (const int v : a.data<int>()) ASSERT_EQ(v, t);
        }
      });
    }
  }
  EXPECT_EQ(tensor_bytes(), before);
}

}  // namespace
}  // namespace qsweep
