#include "src/kernels/ops.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

Tensor f32(const Shape& shape, const Floats& values) {
  return Tensor::of<float>(DType::f32, shape, values);
}
Tensor i64(const Shape& shape, const Ints& values) {
  return Tensor::of<std::int64_t>(DType::i64, shape, values);
}
Tensor i64(const Ints& values) {
  return i64({static_cast<std::int64_t>(values.size())}, values);
}

Tensor random_f32(const Shape& shape, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor t(DType::f32, shape);
  for (float& value : t.mutable_data<float>()) value = normal(random);
  return t;
}

std::vector<Tensor> run(std::string_view op,
                        const std::vector<Tensor>& inputs,
                        const Attributes& attributes = {},
                        int opset = 17,
                        int outputs = 1) {
  return run_op({op, "", opset, attributes, outputs, "node"}, inputs);
}

Floats floats(const Tensor& t) {
  const Tensor ordered = t.to_layout(Layout::row_major);
  return {ordered.data<float>().begin(), ordered.data<float>().end()};
}
Ints ints(const Tensor& t) {
  const Tensor ordered = t.to_layout(Layout::row_major);
  return {ordered.data<std::int64_t>().begin(), ordered.data<std::int64_t>().end()};
}

/// Distance in units in the last place of the exact value.
double ulps(float got, double want) {
  const auto rounded = static_cast<float>(want);
  const double unit = static_cast<double>(std::nextafter(std::fabs(rounded),
                                                         std::numeric_limits<float>::infinity())) -
                      static_cast<double>(std::fabs(rounded));
  return std::fabs(static_cast<double>(got) - want) / unit;
}

TEST(UnaryTest, exp_and_sigmoid_keep_their_accuracy_over_the_whole_range) {
  Floats x;
  for (float v = -110.0f; v < 90.0f; v += 0.0137f) x.push_back(v);
  const auto n = static_cast<std::int64_t>(x.size());
  const Floats e = floats(run("Exp", {f32({n}, x)})[0]);
  const Floats s = floats(run("Sigmoid", {f32({n}, x)})[0]);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    if (exact > static_cast<double>(std::numeric_limits<float>::max())) {
      EXPECT_TRUE(std::isinf(e[i])) << x[i];
    } else {
      EXPECT_LE(ulps(e[i], exact), 2.0) << x[i];
    }
    if (x[i] >= -88.0f) {
      EXPECT_LE(ulps(s[i], exact / (1.0 + exact)), 4.0) << x[i];
    } else {
      EXPECT_LE(std::fabs(s[i]), 1.2e-38f) << x[i];
    }
  }
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(floats(run("Exp", {f32({3}, {infinity, -infinity, 0.0f})})[0]),
            (Floats{infinity, 0.0f, 1.0f}));
  EXPECT_TRUE(std::isnan(floats(run("Exp", {f32({1}, {NAN})})[0])[0]));
  EXPECT_EQ(floats(run("Sigmoid", {f32({3}, {infinity, -infinity, 0.0f})})[0]),
            (Floats{1.0f, 0.0f, 0.5f}));
}

TEST(UnaryTest, sigmoid_of_every_magnitude) {
  Floats x;  // subnormal to infinity, both signs
  for (std::uint32_t bits = 0; bits <= 0x7f800000u; bits += 0x1fff) {
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-x.back());
  }
  const Floats s = floats(run("Sigmoid", {f32({static_cast<std::int64_t>(x.size())}, x)})[0]);
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(s[i], 1.0 / (1.0 + std::exp(-static_cast<double>(x[i]))), 2e-7) << x[i];
  EXPECT_TRUE(std::isnan(floats(run("Sigmoid", {f32({1}, {NAN})})[0])[0]));
  EXPECT_TRUE(std::isnan(floats(run("Sigmoid", {f32({1}, {-NAN})})[0])[0]));
}

TEST(UnaryTest, keeps_layout_and_value) {
  const Tensor x = random_f32({2, 5, 3, 4});
  for (const char* op :
       {"Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Clip", "Neg", "Abs", "Erf"}) {
    const Tensor y = run(op, {x.to_layout(Layout::channels_last)})[0];
    EXPECT_EQ(y.layout(), Layout::channels_last) << op;
    EXPECT_EQ(floats(y), floats(run(op, {x})[0])) << op;
    EXPECT_TRUE(keeps_layout(op));
  }
}

TEST(UnaryTest, hand_values) {
  EXPECT_EQ(floats(run("Relu", {f32({3}, {-1, 0, 2})})[0]), (Floats{0, 0, 2}));
  EXPECT_EQ(floats(run("Round", {f32({4}, {0.5f, 1.5f, 2.5f, -2.5f})})[0]), (Floats{0, 2, 2, -2}));
  EXPECT_EQ(floats(run("HardSigmoid", {f32({3}, {-10, 0, 10})})[0]), (Floats{0, 0.5f, 1}));
  Attributes clip6;
  clip6.set("min", 0.0f);
  clip6.set("max", 6.0f);
  EXPECT_EQ(floats(run("Clip", {f32({3}, {-1, 3, 9})}, clip6, 6)[0]), (Floats{0, 3, 6}));
  EXPECT_EQ(floats(run("Clip", {f32({3}, {-1, 3, 9}), f32({}, {0}), f32({}, {6})})[0]),
            (Floats{0, 3, 6}));
}

TEST(BinaryTest, broadcasts_alike_in_both_layouts) {
  const Tensor x = random_f32({2, 5, 3, 4}, 1);
  const std::vector<Tensor> others = {random_f32({2, 5, 3, 4}, 2), random_f32({1, 5, 1, 1}, 3),
                                      random_f32({5, 1, 1}, 4),    random_f32({4}, 5),
                                      random_f32({}, 6),           random_f32({2, 1, 3, 4}, 7),
                                      random_f32({1, 5, 3, 1}, 8)};
  for (const Tensor& b : others) {
    for (const char* op : {"Add", "Sub", "Mul", "Div", "Max", "Min"}) {
      const Tensor plain = run(op, {x, b})[0];
      for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
        const Tensor y = run(op, {x.to_layout(Layout::channels_last), b.to_layout(layout)})[0];
        EXPECT_EQ(y.layout(), Layout::channels_last) << op << to_string(b.shape());
        EXPECT_EQ(floats(y), floats(plain)) << op << to_string(b.shape());
        const Tensor swapped =
            run(op, {b.to_layout(layout), x.to_layout(Layout::channels_last)})[0];
        EXPECT_EQ(floats(swapped), floats(run(op, {b, x})[0])) << op << to_string(b.shape());
      }
    }
  }
  // One value against a sum done by hand.
  EXPECT_EQ(floats(run("Add", {f32({1, 2, 1, 2}, {1, 2, 3, 4}), f32({2, 1, 1}, {10, 20})})[0]),
            (Floats{11, 12, 23, 24}));
}

TEST(BinaryTest, integers_follow_the_spec) {
  EXPECT_EQ(ints(run("Div", {i64({3}, {7, -7, 9}), i64({1}, {2})})[0]), (Ints{3, -3, 4}));
  EXPECT_EQ(ints(run("Mod", {i64({4}, {7, -7, 7, -7}), i64({4}, {3, 3, -3, -3})})[0]),
            (Ints{1, 2, -2, -1}));
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(ints(run("Div", {i64({1}, {kLowest}), i64({1}, {-1})})[0]), Ints{kLowest});
  EXPECT_EQ(ints(run("Where", {run("Greater", {i64({2}, {1, 5}), i64({1}, {3})})[0],
                               i64({2}, {1, 2}), i64({1}, {9})})[0]),
            (Ints{9, 2}));
}

TEST(PoolTest, hand_values) {
  const Tensor x = f32({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  Attributes a;
  a.set("kernel_shape", Ints{2, 2});
  EXPECT_EQ(floats(run("MaxPool", {x}, a)[0]), (Floats{5, 6, 8, 9}));
  EXPECT_EQ(floats(run("AveragePool", {x}, a)[0]), (Floats{3, 4, 6, 7}));
  a.set("pads", Ints{1, 1, 0, 0});
  EXPECT_EQ(floats(run("AveragePool", {x}, a)[0])[0], 1.0f);
  a.set("count_include_pad", std::int64_t{1});
  EXPECT_EQ(floats(run("AveragePool", {x}, a)[0])[0], 0.25f);
  Attributes ceil;
  ceil.set("kernel_shape", Ints{2, 2});
  ceil.set("strides", Ints{2, 2});
  ceil.set("ceil_mode", std::int64_t{1});
  EXPECT_EQ(floats(run("MaxPool", {x}, ceil)[0]), (Floats{5, 6, 8, 9}));
  EXPECT_EQ(floats(run("AveragePool", {x}, ceil)[0]), (Floats{3, 4.5f, 7.5f, 9}));
  EXPECT_EQ(floats(run("GlobalAveragePool", {x})[0]), Floats{5});
  EXPECT_EQ(floats(run("GlobalMaxPool", {x})[0]), Floats{9});
}

TEST(PoolTest, maxima_of_every_window_by_definition) {
  std::mt19937 random(5);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (int round = 0; round < 60; ++round) {
    const Shape shape = {2, 3, pick(9, 16), pick(9, 16)};
    const Ints kernel = {pick(1, 7), pick(1, 7)}, strides = {pick(1, 3), pick(1, 3)};
    Ints dilations, pads;
    for (const std::int64_t k : kernel) dilations.push_back(k < 4 ? pick(1, 2) : 1);
    for (int side = 0; side < 4; ++side)
      pads.push_back(pick(0, (kernel[static_cast<std::size_t>(side % 2)] - 1) / 2));
    Attributes a;
    a.set("kernel_shape", kernel);
    a.set("strides", strides);
    a.set("dilations", dilations);
    a.set("pads", pads);
    const Tensor x = random_f32(shape, static_cast<unsigned>(round));
    const Tensor y = run("MaxPool", {x}, a)[0];
    const Floats in = floats(x), got = floats(y);
    std::size_t next = 0;
    for (std::int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
      for (std::int64_t i = 0; i < y.dim(2); ++i) {
        for (std::int64_t j = 0; j < y.dim(3); ++j) {
          float want = -std::numeric_limits<float>::infinity();
          for (std::int64_t r = 0; r < kernel[0]; ++r) {
            for (std::int64_t c = 0; c < kernel[1]; ++c) {
              const std::int64_t h = i * strides[0] - pads[0] + r * dilations[0];
              const std::int64_t w = j * strides[1] - pads[1] + c * dilations[1];
              if (h < 0 || w < 0 || h >= shape[2] || w >= shape[3]) continue;
              const std::int64_t place = (plane * shape[2] + h) * shape[3] + w;
              want = std::max(want, in[static_cast<std::size_t>(place)]);
            }
          }
          ASSERT_EQ(got[next++], want) << round << " place " << i << ' ' << j;
        }
      }
    }
  }
}

TEST(PoolTest, averages_add_the_taps_in_order) {
  const std::int64_t channels = 150, height = 6, width = 7;  // blocks of 64 and a rest
  const Tensor x = random_f32({2, channels, height, width}, 3);
  const Floats in = floats(x);
  for (const std::int64_t dilation : {1, 2}) {
    Attributes a;
    a.set("kernel_shape", Ints{2, 3});
    a.set("strides", Ints{1, 2});
    a.set("dilations", Ints{1, dilation});
    a.set("pads", Ints{1, 1, 0, 1});
    const Tensor y = run("AveragePool", {x}, a, 19)[0];
    const Floats got = floats(y);
    std::size_t next = 0;
    for (std::int64_t plane = 0; plane < 2 * channels; ++plane) {
      for (std::int64_t i = 0; i < y.dim(2); ++i) {
        for (std::int64_t j = 0; j < y.dim(3); ++j) {
          float sum = 0.0f, taps = 0.0f;
          for (std::int64_t h = i - 1; h < i + 1; ++h) {
            for (std::int64_t k = 0; k < 3; ++k) {
              const std::int64_t w = 2 * j - 1 + k * dilation;
              if (h < 0 || w < 0 || w >= width) continue;
              sum += in[static_cast<std::size_t>((plane * height + h) * width + w)];
              ++taps;
            }
          }
          ASSERT_EQ(got[next++], sum / taps) << dilation << " place " << i << ' ' << j;
        }
      }
    }
  }
}

TEST(SoftmaxTest, follows_the_opset) {
  const Tensor x = f32({1, 2, 2}, {0, 0, std::log(3.0f), 0});
  for (const float v : floats(run("Softmax", {f32({4}, {1, 1, 1, 1})}, {}, 13)[0]))
    EXPECT_FLOAT_EQ(v, 0.25f);
  const Floats rows = floats(run("Softmax", {x}, {}, 13)[0]);  // last axis
  EXPECT_FLOAT_EQ(rows[2], 0.75f);
  const Floats coerced = floats(run("Softmax", {x}, {}, 11)[0]);  // axes 1 and 2 as one
  EXPECT_FLOAT_EQ(coerced[2], 0.5f);
  const Floats logs = floats(run("LogSoftmax", {f32({2}, {1000, 0})}, {}, 13)[0]);
  EXPECT_EQ(logs, (Floats{0, -1000}));
}

TEST(LayerNormalizationTest, keeps_its_accuracy_far_from_zero) {
  const std::int64_t width = 130;
  Tensor x(DType::f32, {1, width}), scale(DType::f32, {width}), bias(DType::f32, {width});
  double mean = 0.0, variance = 0.0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(width); ++i) {
    x.mutable_data<float>()[i] = 1000.0f + static_cast<float>(i % 7);
    scale.mutable_data<float>()[i] = 0.5f + static_cast<float>(i % 3);
    bias.mutable_data<float>()[i] = static_cast<float>(i % 5) - 2.0f;
  }
  for (const float v : x.data<float>()) mean += static_cast<double>(v) / 130.0;
  for (const float v : x.data<float>()) {
    const double d = static_cast<double>(v) - mean;
    variance += d * d / 130.0;
  }
  const Floats y = floats(run("LayerNormalization", {x, scale, bias})[0]);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double want = (static_cast<double>(x.data<float>()[i]) - mean) /
                            std::sqrt(variance + 1e-5) *
                            static_cast<double>(scale.data<float>()[i]) +
                        static_cast<double>(bias.data<float>()[i]);
    EXPECT_NEAR(static_cast<double>(y[i]), want, 1e-4) << i;  // the mean is rounded to 2^-14
  }
}

TEST(MovementTest, channels_join_alike_in_every_layout) {
  Attributes along_channels;
  along_channels.set("axis", std::int64_t{1});
  // Whole lines of the cache, half a line, rows too long to be copied in lines.
  for (const std::vector<std::int64_t>& channels : std::vector<std::vector<std::int64_t>>{
           {16, 32, 48}, {16, 8}, {3, 16, 5}, {256, 272}, {32}}) {
    std::vector<Tensor> rows, lasts;
    for (const std::int64_t c : channels) {
      rows.push_back(random_f32({2, c, 5, 3}));
      lasts.push_back(rows.back().to_layout(Layout::channels_last));
    }
    const Tensor joined = run("Concat", lasts, along_channels)[0];
    EXPECT_EQ(joined.layout(), Layout::channels_last);
    EXPECT_EQ(floats(joined), floats(run("Concat", rows, along_channels)[0]));
  }
}

TEST(MovementTest, parts_of_a_tensor_in_both_layouts) {
  const Tensor x = random_f32({2, 6, 5, 4});
  Attributes concat;
  concat.set("axis", std::int64_t{1});
  Attributes split;
  split.set("axis", std::int64_t{1});
  const Tensor last = x.to_layout(Layout::channels_last);
  const std::vector<Tensor> parts = run("Split", {last, i64({2, 1, 3})}, split, 13, 3);
  EXPECT_EQ(parts[1].layout(), Layout::channels_last);
  EXPECT_EQ(floats(parts[1]), floats(run("Split", {x, i64({2, 1, 3})}, split, 13, 3)[1]));
  const Tensor joined = run("Concat", parts, concat)[0];
  EXPECT_EQ(joined.layout(), Layout::channels_last);
  EXPECT_EQ(floats(joined), floats(x));
  const std::vector<Tensor> bounds = {i64({4, 3}), i64({-100, 0}), i64({2, -1}), i64({-2, -1})};
  std::vector<Tensor> call = {last};
  call.insert(call.end(), bounds.begin(), bounds.end());
  const Tensor sliced = run("Slice", call)[0];
  call[0] = x;
  EXPECT_EQ(sliced.shape(), (Shape{2, 6, 3, 3}));
  EXPECT_EQ(floats(sliced), floats(run("Slice", call)[0]));
  for (const char* mode : {"constant", "reflect", "edge"}) {
    Attributes pad;
    pad.set("mode", std::string(mode));
    const Tensor pads = i64({0, 0, 2, -1, 0, 3, 1, 2});
    const bool shrinks = std::string(mode) != "constant";
    const Tensor amounts = shrinks ? i64({0, 0, 2, 1, 0, 3, 1, 2}) : pads;
    EXPECT_EQ(floats(run("Pad", {last, amounts}, pad)[0]), floats(run("Pad", {x, amounts}, pad)[0]))
        << mode;
  }
  Attributes reflect;
  reflect.set("mode", std::string("reflect"));
  EXPECT_EQ(floats(run("Pad", {f32({3}, {1, 2, 3}), i64({2, 2})}, reflect)[0]),
            (Floats{3, 2, 1, 2, 3, 2, 1}));
}

TEST(MovementTest, every_transposition_by_definition) {
  // Extents around the blocks of 8 and 16 that planes are turned over in.
  for (const Shape& shape : {Shape{2, 9, 17, 8}, Shape{1, 35, 3, 23}}) {
    const Tensor x = random_f32(shape);
    const Floats in = floats(x);
    Ints perm = {0, 1, 2, 3};
    do {
      Attributes a;
      a.set("perm", perm);
      for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
        const Tensor y = run("Transpose", {x.to_layout(layout)}, a)[0];
        const Floats got = floats(y);
        Ints to(4), from(4);
        for (std::size_t place = 0; place < got.size(); ++place) {
          std::size_t rest = place;
          for (std::size_t axis = 4; axis-- > 0;) {
            const auto extent = static_cast<std::size_t>(y.shape()[axis]);
            to[axis] = static_cast<std::int64_t>(rest % extent);
            rest /= extent;
          }
          for (std::size_t axis = 0; axis < 4; ++axis)
            from[static_cast<std::size_t>(perm[axis])] = to[axis];
          std::int64_t source = 0;
          for (std::size_t axis = 0; axis < 4; ++axis) source = source * shape[axis] + from[axis];
          ASSERT_EQ(got[place], in[static_cast<std::size_t>(source)]) << place;
        }
      }
    } while (std::ranges::next_permutation(perm).found);
  }
}

TEST(MovementTest, reshape_keeps_channels_last_where_only_pixels_are_regrouped) {
  const Tensor x = random_f32({2, 6, 3, 4});
  const Tensor last = x.to_layout(Layout::channels_last);
  for (const Ints& shape : {Ints{2, 6, -1}, Ints{0, 0, 2, 6}, Ints{2, 6, 12, 1}}) {
    const Tensor y = run("Reshape", {last, i64(shape)})[0];
    EXPECT_EQ(y.raw(), last.raw());
    EXPECT_EQ(floats(y), floats(x));
  }
  for (const Ints& shape : {Ints{2, 2, 3, 3, 4}, Ints{2, 72}, Ints{1, 12, 3, 4}}) {
    const Tensor y = run("Reshape", {last, i64(shape)})[0];
    EXPECT_EQ(y.layout(), Layout::row_major);
    EXPECT_EQ(floats(y), floats(x));
  }
}

TEST(ResizeTest, nearest_and_linear_in_both_layouts) {
  const Tensor x = random_f32({2, 3, 4, 5});
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* coordinates :
         {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"}) {
      Attributes a;
      a.set("mode", std::string(mode));
      a.set("coordinate_transformation_mode", std::string(coordinates));
      const std::vector<Tensor> call = {x, Tensor(), Tensor(), i64({2, 3, 7, 3})};
      const std::vector<Tensor> last = {x.to_layout(Layout::channels_last), Tensor(), Tensor(),
                                        call[3]};
      EXPECT_EQ(floats(run("Resize", last, a)[0]), floats(run("Resize", call, a)[0]))
          << mode << coordinates;
    }
  }
  const Tensor doubled =
      run("Upsample", {f32({1, 1, 1, 2}, {1, 2}), f32({4}, {1, 1, 1, 2})}, {}, 9)[0];
  EXPECT_EQ(floats(doubled), (Floats{1, 1, 2, 2}));
}

TEST(ResizeTest, shrinking_with_antialias_averages_what_a_pixel_covers) {
  Attributes a;
  a.set("mode", std::string("linear"));
  a.set("antialias", std::int64_t{1});
  // Weights 1/8 3/8 3/8 1/8 around each centre, the border pixel repeated.
  EXPECT_EQ(floats(run("Resize", {f32({4}, {1, 2, 3, 4}), {}, f32({1}, {0.5f})}, a, 18)[0]),
            (Floats{1.625f, 3.375f}));
}

TEST(ResizeTest, one_scale_keeps_the_aspect) {
  Attributes a;
  a.set("keep_aspect_ratio_policy", std::string("not_larger"));
  const Tensor x = random_f32({4, 2});
  EXPECT_EQ(run("Resize", {x, {}, {}, i64({8, 8})}, a, 18)[0].shape(), (Shape{8, 4}));
  a.set("keep_aspect_ratio_policy", std::string("not_smaller"));
  EXPECT_EQ(run("Resize", {x, {}, {}, i64({8, 8})}, a, 18)[0].shape(), (Shape{16, 8}));
}

TEST(EinsumTest, hand_values) {
  const auto einsum = [](const char* equation, const std::vector<Tensor>& inputs) {
    Attributes a;
    a.set("equation", std::string(equation));
    return floats(run("Einsum", inputs, a)[0]);
  };
  const Tensor m = f32({2, 2}, {1, 2, 3, 4});
  const Tensor v = f32({2}, {5, 7});
  EXPECT_EQ(einsum("ij,j->i", {m, v}), (Floats{19, 43}));
  EXPECT_EQ(einsum("ij,jk", {m, m}), (Floats{7, 10, 15, 22}));
  EXPECT_EQ(einsum("ii", {m}), (Floats{5}));
  EXPECT_EQ(einsum("ii->i", {m}), (Floats{1, 4}));
  EXPECT_EQ(einsum("i,j->ji", {v, v}), (Floats{25, 35, 35, 49}));
  EXPECT_EQ(einsum("...j,...j->...", {m, m}), (Floats{5, 25}));
  EXPECT_EQ(einsum("i,ij,j->", {v, m, v}), (Floats{5 * 5 + 2 * 35 + 3 * 35 + 4 * 49}));
}

TEST(ScatterTest, reductions_join_repeated_places) {
  for (const auto& [reduction, want] :
       {std::pair{"add", Floats{1, 11}}, {"mul", {1, 40}}, {"max", {1, 5}}, {"min", {1, 2}}}) {
    Attributes a;
    a.set("reduction", std::string(reduction));
    const std::vector<Tensor> operands = {f32({2}, {1, 2}), i64({2, 1}, {1, 1}), f32({2}, {4, 5})};
    EXPECT_EQ(floats(run("ScatterND", operands, a, 18)[0]), want) << reduction;
  }
}

TEST(ProductTest, matmul_broadcasts_like_numpy) {
  const Tensor a = random_f32({2, 1, 3, 4}, 1);
  const Tensor b = random_f32({5, 4, 2}, 2);
  const Tensor y = run("MatMul", {a, b})[0];
  ASSERT_EQ(y.shape(), (Shape{2, 5, 3, 2}));
  for (std::size_t i = 0; i < 60; ++i) {
    const std::size_t n = i / 30, m = i / 6 % 5, r = i / 2 % 3, c = i % 2;
    float want = 0.0f;
    for (std::size_t k = 0; k < 4; ++k)
      want += a.data<float>()[n * 12 + r * 4 + k] * b.data<float>()[m * 8 + k * 2 + c];
    EXPECT_NEAR(y.data<float>()[i], want, 1e-5f);
  }
  EXPECT_EQ(floats(run("MatMul", {f32({2}, {1, 2}), f32({2}, {3, 4})})[0]), Floats{11});
}

template <class T>
Tensor codes(DType dtype, const Shape& shape, const std::vector<T>& values) {
  return Tensor::of<T>(dtype, shape, values);
}

TEST(IntegerProductTest, is_exact_where_floats_are_not) {
  // 65,999 * 254 * 127 + 1 takes 31 bits; a float keeps 24.
  constexpr std::size_t kDepth = 66000;
  std::vector<std::uint8_t> left(kDepth, 255);
  left[0] = 2;
  std::vector<std::int8_t> right(kDepth, 127);
  right[0] = 1;
  const auto depth = static_cast<std::int64_t>(kDepth);
  const Tensor y =
      run("MatMulInteger", {codes(DType::u8, {1, depth}, left), codes(DType::i8, {depth, 1}, right),
                            codes<std::uint8_t>(DType::u8, {}, {1})})[0];
  EXPECT_EQ(y.data<std::int32_t>()[0], 65999 * 254 * 127 + 1);
}

TEST(IntegerProductTest, pads_with_the_zero_point) {
  Attributes attributes;
  attributes.set("pads", Ints{0, 1, 0, 1});
  const Tensor y = run("ConvInteger",
                       {codes<std::uint8_t>(DType::u8, {1, 1, 1, 2}, {10, 12}),
                        codes<std::int8_t>(DType::i8, {1, 1, 1, 3}, {1, 2, 3}),
                        codes<std::uint8_t>(DType::u8, {}, {9})},
                       attributes)[0];
  EXPECT_EQ(y.data<std::int32_t>()[0], 2 * 1 + 3 * 3);
  EXPECT_EQ(y.data<std::int32_t>()[1], 1 * 1 + 2 * 3);
}

TEST(IntegerProductTest, rounds_ties_of_codes_to_even) {
  const auto scale = [](float value) { return f32({}, {value}); };
  const Tensor zero = codes<std::uint8_t>(DType::u8, {}, {3});
  const Tensor y =
      run("QLinearMatMul",
          {codes<std::uint8_t>(DType::u8, {3, 1}, {4, 6, 255}), scale(1.0f), zero,
           codes<std::uint8_t>(DType::u8, {1, 1}, {4}), scale(1.0f), zero, scale(2.0f), zero})[0];
  // 1 / 2, 3 / 2 and 252 / 2, and the zero point
  EXPECT_EQ(y.data<std::uint8_t>()[0], 3);
  EXPECT_EQ(y.data<std::uint8_t>()[1], 5);
  EXPECT_EQ(y.data<std::uint8_t>()[2], 129);
}

TEST(RegistryTest, lists_operators_and_opsets) {
  const std::vector<std::string> ops = supported_ops();
  EXPECT_TRUE(std::ranges::is_sorted(ops));
  for (const std::string& op : ops)
    EXPECT_TRUE(is_supported(op, "", 13) || is_supported(op, "com.microsoft", 13)) << op;
  EXPECT_TRUE(is_supported("QuantizeLinear", "com.microsoft", 13));
  EXPECT_TRUE(is_supported("QuantizeLinear", "", 13));
  EXPECT_FALSE(is_supported("QLinearAdd", "", 13));
  EXPECT_TRUE(is_supported("Conv", "ai.onnx", 21));
  EXPECT_FALSE(is_supported("Conv", "com.microsoft", 13));
  EXPECT_FALSE(is_supported("Conv", "", 99));
  EXPECT_FALSE(is_supported("NoSuchOp", "", 13));
}

ErrorCode error_of(std::string_view op,
                   const std::vector<Tensor>& inputs,
                   const Attributes& attributes = {}) {
  try {
    (void)run(op, inputs, attributes);
  } catch (const Error& error) {
    EXPECT_NE(error.where().find("node"), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << op << " accepted damaged operands";
  return ErrorCode::internal;
}

TEST(DamageTest, is_reported_with_the_node) {
  const Tensor x = random_f32({2, 3});
  EXPECT_EQ(error_of("Add", {x, random_f32({4})}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("Add", {x}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("Reshape", {x, i64({4, 2})}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("Reshape", {x, i64({std::int64_t{1} << 40, -1})}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("Expand", {x, i64({1 << 20, 1 << 20, 2, 3})}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("Gather", {x, i64({2})}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("Div", {i64({1}), i64({0})}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("MatMul", {x, x}), ErrorCode::corrupt_input);
  EXPECT_EQ(error_of("Relu", {Tensor(DType::boolean, {1})}), ErrorCode::unsupported);
  EXPECT_EQ(error_of("GRU", {x}), ErrorCode::unsupported);
  Attributes axis;
  axis.set("axis", std::int64_t{5});
  EXPECT_EQ(error_of("Concat", {x, x}, axis), ErrorCode::corrupt_input);
}

/// Every operator on random operands and attributes: an answer or an Error of the two kinds,
/// nothing else. Sanitizer builds turn any stray access into a failure.
TEST(DamageTest, random_operands_never_escape) {
  const std::vector<std::string> numbers = {"axis",
                                            "axes",
                                            "keepdims",
                                            "group",
                                            "kernel_shape",
                                            "strides",
                                            "pads",
                                            "dilations",
                                            "perm",
                                            "split",
                                            "starts",
                                            "ends",
                                            "scales",
                                            "k",
                                            "blocksize",
                                            "size",
                                            "num_groups",
                                            "to",
                                            "shape",
                                            "ceil_mode",
                                            "output_padding",
                                            "output_shape",
                                            "batch_dims",
                                            "largest",
                                            "transA",
                                            "transB",
                                            "num_outputs",
                                            "p",
                                            "min",
                                            "max",
                                            "exclusive",
                                            "upper",
                                            "storage_order",
                                            "antialias",
                                            "output_height",
                                            "sampling_ratio",
                                            "time_axis",
                                            "batch_axis",
                                            "align_corners",
                                            "center_point_box"};
  const std::vector<std::string> words = {
      "constant",      "reflect",    "edge",        "linear", "nearest",
      "cubic",         "SAME_UPPER", "VALID",       "DCR",    "CRD",
      "align_corners", "not_larger", "add",         "max",    "tf_crop_and_resize",
      "ij,jk",         "i,j->ji",    "...ij->...j", "ii->i"};
  std::mt19937 random(5);
  for (const std::string& op : supported_ops()) {
    const auto pick = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    for (int trial = 0; trial < 400; ++trial) {
      Attributes attributes;
      for (const std::string& name : numbers) {
        if (pick(0, 5) != 0) continue;
        if (name == "scales") {
          attributes.set(name, Floats{1.0f, 1.0f, static_cast<float>(pick(-1, 3)), 0.5f});
        } else if (name == "min" || name == "max") {
          attributes.set(name, static_cast<float>(pick(-3, 3)));
        } else if (name.back() == 's' && name != "keepdims" && name != "num_groups" &&
                   name != "batch_dims" && name != "num_outputs") {
          Ints list(static_cast<std::size_t>(pick(0, 6)));
          for (std::int64_t& value : list)
            value = pick(0, 30) == 0 ? std::int64_t{1} << pick(20, 62) : pick(-2, 4);
          attributes.set(name, list);
        } else if (name == "kernel_shape" || name == "perm" || name == "split" ||
                   name == "output_padding" || name == "shape" || name == "output_shape") {
          Ints list(static_cast<std::size_t>(pick(0, 4)));
          for (std::int64_t& value : list) value = pick(-1, 4);
          attributes.set(name, list);
        } else {
          attributes.set(name, std::int64_t{pick(-2, 12)});
        }
      }
      for (const char* name : {"mode", "auto_pad", "coordinate_transformation_mode", "equation",
                               "reduction", "keep_aspect_ratio_policy"}) {
        if (pick(0, 4) == 0)
          attributes.set(
              name, words[static_cast<std::size_t>(pick(0, static_cast<int>(words.size()) - 1))]);
      }
      const bool on_codes = op.find("Q") == 0 || op.ends_with("Integer") || op[0] == 'D';
      std::vector<Tensor> inputs;
      for (int i = on_codes ? pick(2, 9) : pick(0, 5); i > 0; --i) {
        Shape shape(static_cast<std::size_t>(on_codes && pick(0, 1) == 0 ? 0 : pick(0, 5)));
        for (std::int64_t& extent : shape) extent = pick(0, 9) == 0 ? 0 : pick(1, 4);
        const int kind = pick(0, 9);
        const DType dtype = on_codes && kind < 8
                                ? std::array{DType::u8, DType::i8, DType::f32,
                                             DType::i32}[static_cast<std::size_t>(pick(0, 3))]
                            : kind < 6 ? DType::f32
                            : kind < 8 ? DType::i64
                            : kind < 9 ? DType::boolean
                                       : static_cast<DType>(pick(0, 17));
        Tensor t(dtype, shape, pick(0, 1) == 0 ? Layout::row_major : Layout::channels_last);
        if (dtype == DType::f32) {
          for (float& value : t.mutable_data<float>())
            value = static_cast<float>(pick(-4, 4)) * 0.5f;
        } else if (dtype == DType::i64) {
          for (std::int64_t& value : t.mutable_data<std::int64_t>())
            value = pick(0, 40) == 0 ? std::int64_t{1} << pick(20, 62) : pick(-2, 5);
        } else {
          std::fill_n(static_cast<std::byte*>(t.mutable_raw()), t.bytes(), std::byte{1});
        }
        inputs.push_back(pick(0, 9) == 0 ? Tensor() : t);
      }
      try {
        const char* domain = is_supported(op, "", 17) ? "" : "com.microsoft";
        const OpCall call{op, domain, pick(7, 21), attributes, pick(1, 2), "node"};
        for (const Tensor& y : run_op(call, inputs)) EXPECT_FALSE(y.empty()) << op;
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == ErrorCode::corrupt_input ||
                    error.code() == ErrorCode::unsupported || error.code() == ErrorCode::numeric)
            << op << " trial " << trial << ": " << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace qsweep
