#include "src/kernels/linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <thread>

#include <gtest/gtest.h>

#include "src/base/machine.h"

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/winograd_steps.h"
#include "src/kernels/ops.h"

#include "tests/kernels/reference.h"

namespace qsweep {
namespace {

using test::at;
using test::RandomLayer;

template <class T>
std::vector<T> random_values(std::mt19937& random, std::int64_t count, int low, int high) {
  std::uniform_int_distribution<int> pick(low, high);
  std::vector<T> values(at(count));
  for (T& value : values) value = static_cast<T>(pick(random));
  return values;
}

template <class T>
Tensor tensor_of(DType dtype, const Shape& shape, const std::vector<T>& values) {
  return Tensor::of<T>(dtype, shape, values);
}

QuantParams params(const Format& format, float scale, int zero_point) {
  QuantParams p;
  p.format = format;
  p.scale = {scale};
  p.zero_point = {zero_point};
  return p;
}

std::string describe(const RandomLayer& layer, unsigned seed) {
  return "seed " + std::to_string(seed) + " kind " +
         std::to_string(static_cast<int>(layer.spec.kind)) + " group " +
         std::to_string(layer.spec.group) + " weight " + to_string(layer.weight) + " input " +
         to_string(layer.input);
}

void check_float_layer(unsigned seed, FloatBackend backend) {
  std::mt19937 random(seed);
  const RandomLayer layer = test::random_layer(random);
  const std::string text = describe(layer, seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(at(element_count(layer.input))), w(at(element_count(layer.weight))),
      b(at(layer.channels));
  for (auto* values : {&x, &w, &b}) {
    for (float& value : *values) value = normal(random);
  }
  const bool with_bias = seed % 3 != 0;
  const auto want =
      test::reference_products<double>(layer.spec, x, layer.input, w, layer.weight, 0.0);
  const auto kernel =
      make_float_kernel(layer.spec, tensor_of(DType::f32, layer.weight, w),
                        with_bias ? tensor_of(DType::f32, {layer.channels}, b) : Tensor(), backend);
  const Tensor input = tensor_of(DType::f32, layer.input, x);
  const Tensor y = kernel->run(seed % 2 == 0 ? input : input.to_layout(Layout::channels_last));
  ASSERT_EQ(y.shape(), want.shape) << text;
  if (layer.spec.kind != LinearSpec::Kind::gemm) {
    EXPECT_EQ(y.layout(), Layout::channels_last) << text;
  }
  const Tensor ordered = y.to_layout(Layout::row_major);
  const std::int64_t inner = layer.spec.kind == LinearSpec::Kind::gemm
                                 ? 1
                                 : element_count(Shape(want.shape.begin() + 2, want.shape.end()));
  for (std::int64_t i = 0; i < y.size(); ++i) {
    double expected = want.values[at(i)] +
                      (with_bias ? static_cast<double>(b[at(i / inner % layer.channels)]) : 0.0);
    if (layer.spec.epilogue == Epilogue::relu) expected = std::max(expected, 0.0);
    if (layer.spec.epilogue == Epilogue::silu) expected /= 1.0 + std::exp(-expected);
    // Products of unit normals: rounding grows with the depth of the sum, at most about 400 here.
    ASSERT_NEAR(ordered.data<float>()[at(i)], expected, 1e-4)
        << text << " element " << i << " " << kernel->name();
  }
}

TEST(FloatKernelTest, agrees_with_double_precision_sums) {
  for (unsigned seed = 0; seed < 300; ++seed) check_float_layer(seed, FloatBackend::automatic);
}

TEST(FloatKernelTest, windows_without_overlap_agree_with_double_precision_sums) {
  std::mt19937 random(7);
  LinearSpec spec;
  spec.kind = LinearSpec::Kind::conv;
  spec.strides = {2, 3};
  spec.pads = {0, 0, 0, 0};
  spec.dilations = {1, 1};
  for (const bool relu : {false, true}) {
    spec.epilogue = relu ? Epilogue::relu : Epilogue::none;
    const Shape image = {2, 3, 7, 9}, weight = {5, 3, 2, 3};  // the last row belongs to no window
    std::normal_distribution<float> normal;
    std::vector<float> x(at(element_count(image))), w(at(element_count(weight)));
    for (auto* values : {&x, &w}) {
      for (float& value : *values) value = normal(random);
    }
    const auto want = test::reference_products<double>(spec, x, image, w, weight, 0.0);
    const std::vector<float> bias = {0.5f, -1.0f, 2.0f, 0.0f, -3.0f};
    const auto kernel =
        make_float_kernel(spec, tensor_of(DType::f32, weight, w), tensor_of(DType::f32, {5}, bias));
    const Tensor y = kernel->run(tensor_of(DType::f32, image, x).to_layout(Layout::channels_last));
    ASSERT_EQ(y.shape(), want.shape);
    EXPECT_EQ(y.layout(), Layout::channels_last);
    const Tensor rows = y.to_layout(Layout::row_major);
    for (std::int64_t i = 0; i < rows.size(); ++i) {
      double expected = want.values[at(i)] + static_cast<double>(bias[at(i / 9 % 5)]);
      if (relu) expected = std::max(expected, 0.0);
      ASSERT_NEAR(rows.data<float>()[at(i)], expected, 1e-5) << i;
    }
  }
}

struct ConvolutionCase {
  std::int64_t in, out, height, width, batch;
  std::vector<std::int64_t> pads;
  Epilogue epilogue;
  std::int64_t stride = 1, side = 3;  ///< of the window
  std::int64_t group = 1;

  [[nodiscard]] Shape weight() const { return {out, in / group, side, side}; }
  [[nodiscard]] LinearSpec spec() const {
    return {.strides = {stride, stride}, .pads = pads, .group = group, .epilogue = epilogue};
  }
};

/// Stems into one group of outputs, rows of sixteen windows, results by bands, 1x1
/// windows that skip pixels by two and three groups.
const ConvolutionCase kWindowCases[] = {
    {3, 16, 32, 32, 3, {1, 1, 1, 1}, Epilogue::relu},
    {3, 16, 13, 32, 2, {1, 0, 1, 2}, Epilogue::none},
    {12, 16, 70, 48, 2, {1, 1, 1, 1}, Epilogue::silu},
    {5, 16, 9, 18, 2, {0, 0, 0, 0}, Epilogue::none},
    {16, 32, 32, 32, 3, {0, 0, 0, 0}, Epilogue::none, 2, 1},
    {64, 80, 15, 13, 2, {0, 0, 0, 0}, Epilogue::silu, 2, 1},
};

/// Channels by one and more vector blocks with remainders, pictures with cut tiles, tiles that fill
/// no block, paddings on some sides.
const ConvolutionCase kWinogradCases[] = {
    {16, 16, 32, 32, 3, {1, 1, 1, 1}, Epilogue::relu},
    {32, 48, 16, 16, 2, {1, 1, 1, 1}, Epilogue::none},
    {64, 64, 8, 8, 7, {1, 1, 1, 1}, Epilogue::relu},
    {48, 80, 13, 15, 1, {1, 1, 1, 1}, Epilogue::silu},
    {16, 112, 18, 14, 1, {0, 0, 0, 0}, Epilogue::none},
    {80, 16, 7, 7, 40, {1, 1, 1, 1}, Epilogue::none},
    {128, 128, 12, 12, 3, {1, 0, 0, 1}, Epilogue::relu},
    {16, 16, 9, 9, 5, {2, 2, 2, 2}, Epilogue::none},
    {16, 32, 32, 32, 3, {0, 0, 1, 1}, Epilogue::relu, 2},
    {32, 64, 16, 16, 2, {1, 1, 1, 1}, Epilogue::none, 2},
    {80, 16, 15, 31, 3, {1, 1, 1, 1}, Epilogue::silu, 2},
    {32, 48, 14, 25, 1, {2, 1, 2, 1}, Epilogue::none, 2},
};

/// Rows of whole blocks of vectors, of blocks and a rest, of less than a block; large windows,
/// paddings on some sides, pictures lower than a window.
const ConvolutionCase kDepthwiseCases[] = {
    {8, 8, 48, 48, 2, {1, 1, 1, 1}, Epilogue::relu, 1, 3, 8},
    {8, 8, 9, 21, 3, {0, 1, 2, 0}, Epilogue::none, 1, 3, 8},
    {4, 4, 7, 11, 2, {2, 2, 2, 2}, Epilogue::silu, 1, 5, 4},
    {2, 2, 12, 12, 1, {3, 3, 3, 3}, Epilogue::relu, 1, 7, 2},
    {8, 8, 2, 30, 2, {1, 0, 1, 3}, Epilogue::none, 1, 3, 8},
    {8, 8, 5, 4, 1, {0, 0, 0, 0}, Epilogue::relu, 1, 1, 8},
};

/// dB of a kernel's results over their distance from sums in double precision.
double accuracy(const ConvolutionCase& c, FloatBackend backend, std::string_view name) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  const Shape image = {c.batch, c.in, c.height, c.width};
  std::vector<float> x(at(element_count(image))), w(at(element_count(c.weight()))), b(at(c.out));
  const auto depth = static_cast<float>(9 * c.in / c.group);
  for (float& value : x) value = std::max(normal(random), 0.0f);
  for (float& value : w) value = normal(random) / std::sqrt(depth);
  for (float& value : b) value = normal(random);
  const LinearSpec spec = c.spec();
  const auto want = test::reference_products<double>(spec, x, image, w, c.weight(), 0.0);
  const auto kernel = make_float_kernel(spec, tensor_of(DType::f32, c.weight(), w),
                                        tensor_of(DType::f32, {c.out}, b), backend);
  const Tensor y = kernel->run(tensor_of(DType::f32, image, x).to_layout(Layout::channels_last));
  EXPECT_EQ(kernel->name(), name);
  EXPECT_EQ(y.shape(), want.shape);
  EXPECT_EQ(y.layout(), Layout::channels_last);
  const Tensor rows = y.to_layout(Layout::row_major);
  const std::int64_t area = want.shape[2] * want.shape[3];
  double signal = 0.0, noise = 0.0;
  for (std::int64_t i = 0; i < rows.size(); ++i) {
    double expected = want.values[at(i)] + static_cast<double>(b[at(i / area % c.out)]);
    if (c.epilogue == Epilogue::relu) expected = std::max(expected, 0.0);
    if (c.epilogue == Epilogue::silu) expected /= 1.0 + std::exp(-expected);
    const double error = static_cast<double>(rows.data<float>()[at(i)]) - expected;
    EXPECT_LT(std::abs(error), 1e-4) << i;
    signal += expected * expected;
    noise += error * error;
  }
  return 10.0 * std::log10(signal / noise);
}

void check_pictures_alone(const ConvolutionCase& c) {
  std::mt19937 random(12);
  std::normal_distribution<float> normal;
  const Shape image = {c.batch, c.in, c.height, c.width};
  std::vector<float> x(at(element_count(image))), w(at(element_count(c.weight())));
  for (auto* values : {&x, &w}) {
    for (float& value : *values) value = normal(random);
  }
  const auto kernel = make_float_kernel(c.spec(), tensor_of(DType::f32, c.weight(), w), Tensor());
  const Tensor input = tensor_of(DType::f32, image, x);
  const Tensor all = kernel->run(input);
  for (std::int64_t n = 0; n < c.batch; ++n) {
    const Tensor one = kernel->run(input.rows(n, n + 1));
    const auto got = one.data<float>();
    ASSERT_TRUE(std::ranges::equal(got, all.data<float>().subspan(got.size() * at(n), got.size())))
        << c.in << " x " << c.out << " picture " << n;
  }
}

TEST(WinogradTest, agrees_with_double_precision_sums_nearly_as_a_direct_convolution) {
  if (!this_machine().has_avx2_fma) GTEST_SKIP() << "no FMA on " << this_machine().cpu_model;
  for (const ConvolutionCase& c : kWinogradCases) {
    const double direct = accuracy(c, FloatBackend::direct, "onednn_f32");
    const double winograd = accuracy(c, FloatBackend::automatic, "winograd_f32");
    EXPECT_GT(winograd, 115.0) << c.in << " x " << c.out;
    EXPECT_GT(winograd, direct - 15.0) << c.in << " x " << c.out;
  }
}

TEST(WinogradTest, a_picture_does_not_depend_on_its_batch) {
  for (const ConvolutionCase& c : kWinogradCases) check_pictures_alone(c);
}

void check_beside_library(std::span<const ConvolutionCase> cases, std::string_view name) {
  for (const ConvolutionCase& c : cases) {
    const double direct = accuracy(c, FloatBackend::direct, "onednn_f32");
    EXPECT_GT(accuracy(c, FloatBackend::automatic, name), direct - 3.0)
        << c.in << " x " << c.out << ", side " << c.side;
    check_pictures_alone(c);
  }
}

TEST(WindowTest, floats_agree_with_double_precision_sums_as_the_library_does) {
  if (!this_machine().has_avx512_vnni) GTEST_SKIP() << "no VNNI on " << this_machine().cpu_model;
  check_beside_library(kWindowCases, "windows_f32");
}

TEST(DepthwiseTest, agrees_with_double_precision_sums_as_the_library_does) {
  if (!this_machine().has_avx2_fma) GTEST_SKIP() << "no FMA on " << this_machine().cpu_model;
  check_beside_library(kDepthwiseCases, "depthwise_f32");
}

TEST(WindowTest, a_line_of_nine_taps_is_left_to_others) {
  const std::vector<float> x(2 * 24, 1.0f), w(16 * 2 * 9, 1.0f);
  const auto kernel = make_float_kernel({}, tensor_of(DType::f32, {16, 2, 9}, w), Tensor());
  const Tensor y = kernel->run(tensor_of(DType::f32, {1, 2, 24}, x));
  EXPECT_EQ(y.shape(), (Shape{1, 16, 16}));
  for (const float value : y.data<float>()) ASSERT_EQ(value, 18.0f);
}

TEST(WindowTest, numbers_that_are_none_stay_so_but_for_a_relu) {
  if (!this_machine().has_avx512_vnni) GTEST_SKIP() << "no VNNI on " << this_machine().cpu_model;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x(3 * 16 * 16, nan), w(16 * 3 * 9, 1.0f);
  for (const Epilogue epilogue : {Epilogue::none, Epilogue::relu}) {
    const auto kernel = make_float_kernel({.pads = {1, 1, 1, 1}, .epilogue = epilogue},
                                          tensor_of(DType::f32, {16, 3, 3, 3}, w), Tensor());
    const Tensor y = kernel->run(tensor_of(DType::f32, {1, 3, 16, 16}, x));
    for (const float value : y.data<float>()) {
      ASSERT_TRUE(epilogue == Epilogue::relu ? value == 0.0f : std::isnan(value));
    }
  }
}

#ifdef __x86_64__
TEST(WinogradTest, instruction_sets_give_the_same_bits) {
  if (!this_machine().has_avx512) GTEST_SKIP() << "no AVX-512 on " << this_machine().cpu_model;
  using namespace detail;
  constexpr std::int64_t kIn = 48, kOut = 112, kTiles = 13, kHeight = 5, kWidth = 7;
  std::mt19937 random(13);
  std::normal_distribution<float> normal;
  const auto values = [&](std::int64_t count) {
    std::vector<float> v(at(count));
    for (float& value : v) value = normal(random);
    return v;
  };
  for (const WinogradForm& form : {kWinogradStride1, kWinogradStride2}) {
    const bool plain = form.stride == 1;
    const auto block = [&](std::vector<float>& of, std::int64_t groups) {
      return WinogradBlock{of.data(), groups * 16 * kWinogradChannels, 16 * kWinogradChannels};
    };
    const std::int64_t in_groups = form.phases * form.phases * kIn / kWinogradChannels;
    const std::int64_t out_groups = kOut / kWinogradChannels;
    const WinogradPicture from{kHeight * form.stride, kWidth * form.stride, kIn};
    const WinogradPicture to{kHeight, kWidth, kOut};
    const auto picture = values(from.height * from.width * kIn), bias = values(kOut),
               weight = values(form.places() * form.phases * form.phases * kIn * kOut),
               tiles = values(form.places() * in_groups * 16 * kWinogradChannels),
               residual = values(kHeight * kWidth * kOut);
    const auto run = [&](const WinogradSteps& steps) {
      std::vector<float> tile = tiles, out(residual.size());
      std::vector<float> sums(at(form.places() * out_groups * 16 * kWinogradChannels));
      const auto in = plain ? steps.transform_input : steps.transform_input_stride2;
      const auto back = plain ? steps.transform_output : steps.transform_output_stride2;
      std::int64_t next = 0;
      // Tiles inside, with a line outside on every side, and with more.
      for (const std::int64_t top : {-1, 0, 3}) {
        for (const std::int64_t left : {-1, 0, 9}) {
          WinogradBlock at_tile = block(tile, in_groups);
          at_tile.values += next++ * kWinogradChannels;
          in(picture.data(), from, top, left, at_tile);
        }
      }
      steps.multiply(form, block(tile, in_groups), kTiles, kIn, weight.data(), kOut,
                     block(sums, out_groups));
      for (const std::int64_t top : {0, 4}) {
        back(block(sums, out_groups), bias.data(), nullptr, true, to, top, 4, out.data());
        back(block(sums, out_groups), bias.data(), residual.data(), false, to, top, 0, out.data());
      }
      return std::tuple(tile, sums, out);
    };
    EXPECT_EQ(run(kWinogradAvx2), run(kWinogradAvx512)) << "stride " << form.stride;
  }
}
#endif

TEST(FloatKernelTest, blocked_depth_adds_sums_of_128_products) {
  // 2^24, then 1s that are each lost when added to it one by one: only a sum of their own counts.
  const std::int64_t depth = 300, width = 65;
  std::vector<float> w(at(depth * width), 0.0f);
  for (std::int64_t o = 0; o < width; ++o) {
    for (std::int64_t k = 0; k < depth; ++k) {
      const float value = k == 0 ? 0x1p24f : k >= 128 ? 1.0f : 0.0f;
      w[at(k * width + o)] = value;
    }
  }
  LinearSpec spec;
  spec.kind = LinearSpec::Kind::gemm;
  spec.weight_is_output_major = false;
  spec.blocked_depth = true;
  const auto kernel =
      make_float_kernel(spec, tensor_of(DType::f32, {depth, width}, w),
                        tensor_of(DType::f32, {width}, std::vector<float>(at(width), -0x1p24f)));
  const Tensor y =
      kernel->run(tensor_of(DType::f32, {2, depth}, std::vector<float>(at(2 * depth), 1.0f)));
  for (const float value : y.data<float>()) EXPECT_EQ(value, 128.0f + 44.0f);
}

/// Checks run_added() against run() and the operator: values and layout of the result.
void check_sum(LinearKernel& kernel, const Tensor& x, const std::string& text) {
  const Tensor y = kernel.run(x);
  std::mt19937 random(static_cast<unsigned>(y.size()));
  std::normal_distribution<float> normal;
  std::vector<float> values(at(y.size()));
  for (float& value : values) value = normal(random);
  const Tensor residual = tensor_of(DType::f32, y.shape(), values);
  for (const bool relu : {false, true}) {
    for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
      const Tensor operands[] = {residual.to_layout(layout), y};
      const Attributes none;
      const Tensor want = run_op({"Add", "", 13, none, 1, "", relu}, operands)[0];
      const Tensor got = kernel.run_added(x, operands[0], relu);
      ASSERT_EQ(got.shape(), want.shape()) << text;
      ASSERT_EQ(got.layout(), want.layout()) << text;
      ASSERT_TRUE(std::ranges::equal(got.data<float>(), want.data<float>())) << text;
      ASSERT_TRUE(std::ranges::equal(operands[0].to_layout(Layout::row_major).data<float>(),
                                     std::span<const float>(values)))
          << text << ": the residual changed";
    }
  }
}

TEST(LinearKernelTest, a_sum_on_the_way_out_is_the_sum_apart) {
  std::normal_distribution<float> normal;
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const RandomLayer layer = test::random_layer(random);
    std::vector<float> x(at(element_count(layer.input))), w(at(element_count(layer.weight)));
    for (auto* values : {&x, &w}) {
      for (float& value : *values) value = normal(random);
    }
    const auto kernel =
        make_float_kernel(layer.spec, tensor_of(DType::f32, layer.weight, w), Tensor());
    check_sum(*kernel, tensor_of(DType::f32, layer.input, x), describe(layer, seed));
  }
  std::vector<ConvolutionCase> cases(std::begin(kWinogradCases), std::end(kWinogradCases));
  cases.insert(cases.end(), std::begin(kWindowCases), std::end(kWindowCases));
  cases.insert(cases.end(), std::begin(kDepthwiseCases), std::end(kDepthwiseCases));
  for (const ConvolutionCase& c : cases) {
    std::mt19937 random(11);
    std::vector<float> x(at(c.batch * c.in * c.height * c.width));
    std::vector<float> w(at(element_count(c.weight())));
    for (auto* values : {&x, &w}) {
      for (float& value : *values) value = normal(random);
    }
    const auto kernel = make_float_kernel(c.spec(), tensor_of(DType::f32, c.weight(), w), Tensor());
    const Tensor input = tensor_of(DType::f32, {c.batch, c.in, c.height, c.width}, x);
    check_sum(*kernel, input.to_layout(Layout::channels_last), "channels " + std::to_string(c.out));
  }
}

TEST(FloatKernelTest, blas_path_agrees_with_double_precision_sums) {
  for (unsigned seed = 0; seed < 300; ++seed) check_float_layer(seed, FloatBackend::openblas);
}

TEST(FloatKernelTest, gives_the_same_bits_on_every_call_and_thread) {
  std::mt19937 random(7);
  const LinearSpec spec{.pads = {1, 1, 1, 1}, .name = "conv"};
  std::normal_distribution<float> normal;
  std::vector<float> x(2 * 16 * 16 * 16), w(16 * 16 * 9);
  for (auto* values : {&x, &w}) {
    for (float& value : *values) value = normal(random);
  }
  const Tensor weight = tensor_of(DType::f32, {16, 16, 3, 3}, w);
  const Tensor input = tensor_of(DType::f32, {2, 16, 16, 16}, x);
  const auto kernel = make_float_kernel(spec, weight, Tensor());
  const Tensor first = kernel->run(input);
  (void)kernel->run(input.rows(0, 1));  // another shape in between changes nothing
  const Tensor again = kernel->run(input);
  Tensor elsewhere;
  std::thread([&] { elsewhere = make_float_kernel(spec, weight, Tensor())->run(input); }).join();
  EXPECT_TRUE(std::ranges::equal(first.data<float>(), again.data<float>()));
  EXPECT_TRUE(std::ranges::equal(first.data<float>(), elsewhere.data<float>()));
}

/// Bit equality with int64 sums and the documented formula. The kernel's name is `name` unless
/// empty.
void check_integer_layer(const RandomLayer& layer,
                         std::mt19937& random,
                         unsigned seed,
                         IntegerBackend backend,
                         std::string_view name = {}) {
  const std::string text = describe(layer, seed);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  const bool is_signed = pick(0, 1) == 0;
  const bool four_bits = pick(0, 2) == 0;
  const int zero = pick(0, 2) == 0 ? 0 : is_signed ? pick(-128, 127) : pick(0, 255);
  const QuantParams activation = params({.dtype = is_signed ? DType::i8 : DType::u8}, 0.037f, zero);
  QuantizedWeight weight;
  weight.params.format.dtype = four_bits ? DType::i4 : DType::i8;
  const bool per_channel = pick(0, 1) == 0;
  // Along its axis a transposed weight has one scale per output channel of a group.
  const std::int64_t scales = !per_channel ? 1
                              : layer.spec.kind == LinearSpec::Kind::conv_transpose
                                  ? layer.channels / layer.spec.group
                                  : layer.channels;
  if (per_channel) weight.params.format.granularity = Granularity::per_channel;
  for (std::int64_t i = 0; i < scales; ++i)
    weight.params.scale.push_back(0.001f * static_cast<float>(pick(1, 97)));
  const int extreme = four_bits ? 7 : 127;
  const auto w = random_values<std::int8_t>(random, element_count(layer.weight), -extreme, extreme);
  weight.codes = tensor_of(DType::i8, layer.weight, w).reinterpreted(weight.params.format.dtype);
  std::vector<int> x = random_values<int>(random, element_count(layer.input), is_signed ? -128 : 0,
                                          is_signed ? 127 : 255);
  Tensor input(activation.format.dtype, layer.input);
  for (std::size_t i = 0; i < x.size(); ++i)
    input.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(x[i]);
  std::vector<float> bias(at(layer.channels));
  for (float& value : bias) value = std::uniform_real_distribution<float>(-40.0f, 40.0f)(random);
  if (seed % 5 == 0) bias[0] = 1e9f;  // saturates, so no sum in 32 bits is safe

  const auto kernel = make_integer_kernel(
      layer.spec, weight, tensor_of(DType::f32, {layer.channels}, bias), activation, backend);
  const Tensor y = kernel->run(seed % 2 == 0 ? input : input.to_layout(Layout::channels_last));
  const auto want =
      test::reference_products<std::int64_t>(layer.spec, x, layer.input, w, layer.weight, zero);
  ASSERT_EQ(y.shape(), want.shape) << text;
  if (!name.empty()) {
    ASSERT_EQ(kernel->name(), name) << text;
  }
  const Tensor ordered = y.to_layout(Layout::row_major);
  const std::int64_t inner = layer.spec.kind == LinearSpec::Kind::gemm
                                 ? 1
                                 : element_count(Shape(want.shape.begin() + 2, want.shape.end()));
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const std::size_t o = at(i / inner % layer.channels);
    const float scale = 0.037f * weight.params.scale[o % at(scales)];
    const double quotient =
        std::nearbyint(static_cast<double>(bias[o]) / static_cast<double>(scale));
    const auto bias_code = static_cast<std::int64_t>(
        std::clamp<double>(quotient, std::numeric_limits<std::int32_t>::min(),
                           std::numeric_limits<std::int32_t>::max()));
    float expected = static_cast<float>(want.values[at(i)] + bias_code) * scale;
    if (layer.spec.epilogue == Epilogue::relu) expected = expected > 0.0f ? expected : 0.0f;
    if (layer.spec.epilogue == Epilogue::silu) detail::silu(&expected, &expected, 1);
    ASSERT_EQ(ordered.data<float>()[at(i)], expected)
        << text << " element " << i << " zero " << zero << " " << kernel->name();
  }
  check_sum(*kernel, input, text);

  // Codes of the next layer are the quantized values, whether or not the library writes them.
  const bool next_is_signed = pick(0, 3) == 0;
  const QuantParams next =
      params({.dtype = next_is_signed ? DType::i8 : DType::u8},
             0.013f * static_cast<float>(pick(1, 4000)), pick(0, 2) == 0 ? pick(0, 100) : 0);
  const Tensor codes =
      make_integer_kernel(layer.spec, weight, tensor_of(DType::f32, {layer.channels}, bias),
                          activation, backend, &next)
          ->run(input);
  const Tensor wanted = quantize(y.to_layout(codes.layout()), next);
  ASSERT_EQ(codes.dtype(), next.format.dtype) << text;
  ASSERT_TRUE(std::ranges::equal(codes.data<std::uint8_t>(), wanted.data<std::uint8_t>()))
      << text << " next scale " << next.scale[0] << " zero " << next.zero_point[0];
}

void check_random_integer_layers(IntegerBackend backend) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    const RandomLayer layer = test::random_layer(random);
    check_integer_layer(layer, random, seed, backend);
  }
}

TEST(IntegerKernelTest, equals_integer_sums_bit_for_bit) {
  check_random_integer_layers(IntegerBackend::automatic);
}

TEST(IntegerKernelTest, library_path_equals_integer_sums_bit_for_bit) {
  check_random_integer_layers(IntegerBackend::onednn);
}

TEST(IntegerKernelTest, float_path_equals_integer_sums_bit_for_bit) {
  check_random_integer_layers(IntegerBackend::exact_f32);
}

/// Groups of sixteen outputs by ones, twos and threes; channels that fill no four bytes; rows of
/// sixteen windows, of eight, of fewer; every side's padding; pictures read in place and copied.
RandomLayer window_layer(std::mt19937& random) {
  const auto pick = [&](std::initializer_list<std::int64_t> from) {
    return from.begin()[std::uniform_int_distribution<std::size_t>(0, from.size() - 1)(random)];
  };
  RandomLayer layer;
  LinearSpec& spec = layer.spec;
  spec.name = "layer";
  spec.epilogue = std::array{Epilogue::none, Epilogue::relu, Epilogue::silu}[at(pick({0, 1, 2}))];
  layer.channels = pick({16, 16, 32, 48, 80});
  layer.weight = {layer.channels, pick({1, 3, 4, 16, 20})};
  layer.input = {pick({1, 2}), layer.weight[1]};
  const bool padded = pick({0, 1}) == 1;
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t kernel = pick({1, 2, 3, 3, 5, 7}), result = pick({1, 4, 7, 16, 16, 32});
    spec.strides.push_back(pick({1, 1, 2, 3}));
    const std::int64_t extent = (result - 1) * spec.strides[a] + kernel;
    layer.weight.push_back(kernel);
    const std::int64_t begin = padded ? pick({0, kernel / 2, kernel - 1}) : 0;
    const std::int64_t end = padded ? pick({0, kernel / 2}) : 0;
    spec.pads.insert(spec.pads.begin() + static_cast<std::ptrdiff_t>(a), begin);
    spec.pads.push_back(end);
    layer.input.push_back(std::max<std::int64_t>(extent - begin - end, 1));
  }
  return layer;
}

TEST(VnniTest, equals_integer_sums_bit_for_bit) {
  if (!this_machine().has_avx512_vnni) GTEST_SKIP() << "no VNNI on " << this_machine().cpu_model;
  for (unsigned seed = 1; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const RandomLayer layer = window_layer(random);
    const bool safe = seed % 5 != 0;
    check_integer_layer(layer, random, seed, IntegerBackend::automatic,
                        safe ? "vnni_u8s8s32" : "exact_f32");
  }
}

TEST(VnniTest, pads_large_pictures_band_by_band) {
  if (!this_machine().has_avx512_vnni) GTEST_SKIP() << "no VNNI on " << this_machine().cpu_model;
  // The first bands lie above the picture, the last below.
  const RandomLayer layer{.spec = {.pads = {40, 2, 50, 1}, .name = "tall"},
                          .weight = {16, 64, 3, 1},
                          .input = {2, 64, 30, 20},
                          .channels = 16};
  for (const unsigned seed : {1u, 2u, 3u}) {
    std::mt19937 random(seed);
    check_integer_layer(layer, random, seed, IntegerBackend::automatic, "vnni_u8s8s32");
  }
}

TEST(VnniTest, a_picture_does_not_depend_on_its_batch) {
  if (!this_machine().has_avx512_vnni) GTEST_SKIP() << "no VNNI on " << this_machine().cpu_model;
  const QuantParams next = params({.dtype = DType::u8}, 0.9f, 3);
  for (unsigned seed = 1; seed < 25; ++seed) {
    std::mt19937 random(seed);
    RandomLayer layer = window_layer(random);
    layer.input[0] = 3;
    const auto w = random_values<std::int8_t>(random, element_count(layer.weight), -128, 127);
    const QuantizedWeight weight{tensor_of(DType::i8, layer.weight, w),
                                 params({.dtype = DType::i8}, 0.01f, 0)};
    const auto x = random_values<std::uint8_t>(random, element_count(layer.input), 0, 255);
    const Tensor input = tensor_of(DType::u8, layer.input, x);
    const auto kernel =
        make_integer_kernel(layer.spec, weight, Tensor(), params({.dtype = DType::u8}, 0.03f, 9),
                            IntegerBackend::automatic, seed % 2 == 0 ? &next : nullptr);
    const Tensor all = kernel->run(input);
    EXPECT_EQ(kernel->name(), "vnni_u8s8s32");
    const std::size_t bytes = all.bytes() / 3;
    for (std::int64_t n = 0; n < 3; ++n) {
      const Tensor one = kernel->run(input.rows(n, n + 1));
      ASSERT_EQ(one.bytes(), bytes);
      ASSERT_EQ(
          std::memcmp(one.raw(), static_cast<const std::byte*>(all.raw()) + bytes * at(n), bytes),
          0)
          << describe(layer, seed) << " picture " << n;
    }
  }
}

/// Sums that a float cannot hold, of all codes at their extremes: 32 bits do.
TEST(VnniTest, is_exact_beyond_the_integers_of_a_float) {
  if (!this_machine().has_avx512_vnni) GTEST_SKIP() << "no VNNI on " << this_machine().cpu_model;
  const LinearSpec spec{.pads = {1, 1, 1, 1}, .name = "deep"};
  const Shape image = {1, 272, 4, 5}, shape = {32, 272, 3, 3};
  std::mt19937 random(5);
  auto w = random_values<std::int8_t>(random, element_count(shape), 100, 127);
  std::fill_n(w.begin(), 272 * 9, std::int8_t{-128});
  const auto x = random_values<std::uint8_t>(random, element_count(image), 254, 255);
  const auto want = test::reference_products<std::int64_t>(spec, x, image, w, shape, 1);
  ASSERT_GT(*std::ranges::max_element(want.values), std::int64_t{1} << 25);
  const auto kernel = make_integer_kernel(
      spec, {tensor_of(DType::i8, shape, w), params({.dtype = DType::i8}, 1.0f, 0)}, Tensor(),
      params({.dtype = DType::u8}, 1.0f, 1));
  const Tensor y = kernel->run(tensor_of(DType::u8, image, x)).to_layout(Layout::row_major);
  EXPECT_EQ(kernel->name(), "vnni_u8s8s32");
  for (std::size_t i = 0; i < want.values.size(); ++i)
    ASSERT_EQ(y.data<float>()[i], static_cast<float>(want.values[i])) << i;
}

TEST(IntegerKernelTest, vector_units_compute_ordinary_layers) {
  if (!this_machine().has_vnni) GTEST_SKIP() << "no VNNI on " << this_machine().cpu_model;
  if (std::getenv("DNNL_MAX_CPU_ISA") != nullptr)
    GTEST_SKIP() << "oneDNN is held to an older instruction set";
  const QuantizedWeight weight{
      tensor_of(DType::i8, {16, 16, 3, 3}, std::vector<std::int8_t>(2304, 1)),
      params({.dtype = DType::i8}, 1.0f, 0)};
  const LinearSpec spec{.pads = {1, 1, 1, 1}, .name = "conv"};
  for (const IntegerBackend backend : {IntegerBackend::automatic, IntegerBackend::onednn}) {
    const bool own = backend == IntegerBackend::automatic && this_machine().has_avx512_vnni;
    for (const DType dtype : {DType::u8, DType::i8}) {
      const auto kernel =
          make_integer_kernel(spec, weight, Tensor(), params({.dtype = dtype}, 1.0f, 5), backend);
      (void)kernel->run(tensor_of(dtype, {1, 16, 8, 8}, std::vector<std::uint8_t>(1024, 1)));
      EXPECT_EQ(kernel->name(), own ? "vnni_u8s8s32" : "onednn_u8s8s32");
    }
  }
}

/// Sums far beyond 2^24, where a float accumulator alone would lose bits.
TEST(IntegerKernelTest, is_exact_on_the_shapes_that_winograd_takes_in_float) {
  const LinearSpec spec{.pads = {1, 1, 1, 1}, .name = "square"};
  const Shape image = {2, 32, 8, 8}, shape = {16, 32, 3, 3};
  std::mt19937 random(4);
  const auto w = random_values<std::int8_t>(random, element_count(shape), -127, 127);
  const auto x = random_values<std::uint8_t>(random, element_count(image), 0, 255);
  const QuantizedWeight weight{tensor_of(DType::i8, shape, w),
                               params({.dtype = DType::i8}, 1.0f, 0)};
  const QuantParams activation = params({.dtype = DType::u8}, 1.0f, 7);
  const auto want = test::reference_products<std::int64_t>(spec, x, image, w, shape, 7);
  for (const IntegerBackend backend : {IntegerBackend::automatic, IntegerBackend::exact_f32}) {
    const auto kernel = make_integer_kernel(spec, weight, Tensor(), activation, backend);
    const Tensor y = kernel->run(tensor_of(DType::u8, image, x)).to_layout(Layout::row_major);
    for (std::size_t i = 0; i < want.values.size(); ++i)
      ASSERT_EQ(y.data<float>()[i], static_cast<float>(want.values[i])) << kernel->name();
  }
}

TEST(IntegerKernelTest, splits_sums_that_a_float_cannot_hold) {
  const std::int64_t depth = 3000;
  const LinearSpec spec{.kind = LinearSpec::Kind::gemm, .name = "deep"};
  std::mt19937 random(3);
  auto w = random_values<std::int8_t>(random, 4 * depth, -127, 127);
  std::fill_n(w.begin(), depth, std::int8_t{127});
  const auto x = random_values<std::uint8_t>(random, 2 * depth, 200, 255);
  QuantizedWeight weight{tensor_of(DType::i8, {4, depth}, w),
                         params({.dtype = DType::i8}, 1.0f, 0)};
  const QuantParams activation = params({.dtype = DType::u8}, 1.0f, 3);
  const auto want = test::reference_products<std::int64_t>(spec, x, {2, depth}, w, {4, depth}, 3);
  ASSERT_GT(want.values[0], std::int64_t{1} << 24);
  for (const IntegerBackend backend : {IntegerBackend::automatic, IntegerBackend::exact_f32}) {
    const auto kernel = make_integer_kernel(spec, weight, Tensor(), activation, backend);
    EXPECT_EQ(kernel->name(), "exact_f32");
    const Tensor y = kernel->run(tensor_of(DType::u8, {2, depth}, x));
    for (std::size_t i = 0; i < want.values.size(); ++i)
      EXPECT_EQ(y.data<float>()[i], static_cast<float>(want.values[i]));
  }
}

TEST(IntegerKernelTest, refuses_what_it_cannot_compute) {
  const Format i8{.dtype = DType::i8};
  const Format u8{.dtype = DType::u8, .symmetric = false};
  EXPECT_TRUE(has_integer_kernel(i8, u8));
  EXPECT_TRUE(
      has_integer_kernel({.dtype = DType::i4, .granularity = Granularity::per_channel}, i8));
  EXPECT_FALSE(has_integer_kernel(
      {.dtype = DType::i4, .granularity = Granularity::per_block, .block_size = 32}, u8));
  EXPECT_FALSE(has_integer_kernel({.dtype = DType::i8, .symmetric = false}, u8));
  EXPECT_FALSE(has_integer_kernel(i8, Format{}));
  QuantizedWeight weight{tensor_of<std::int8_t>(DType::i8, {1, 1}, {1}), params(i8, 1e-30f, 0)};
  const LinearSpec spec{.kind = LinearSpec::Kind::gemm, .name = "tiny"};
  const QuantParams activation = params(u8, 1e-30f, 0);
  try {
    (void)make_integer_kernel(spec, weight, Tensor(), activation);
    FAIL() << "a scale of zero passed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::numeric);
    EXPECT_EQ(error.where(), "tiny");
  }
}

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_FALSE(error.where().empty()) << error.what();
    return error.code();
  }
  return ErrorCode::internal;
}

TEST(LinearSpecTest, resolves_same_padding) {
  Attributes attributes;
  attributes.set("auto_pad", std::string("SAME_UPPER"));
  attributes.set("strides", std::vector<std::int64_t>{2, 2});
  const Tensor weight = tensor_of<float>(DType::f32, {1, 1, 2, 2}, {1, 1, 1, 1});
  const Tensor x = tensor_of<float>(DType::f32, {1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const LinearSpec upper = linear_spec("Conv", attributes, weight, "c");
  EXPECT_EQ(make_float_kernel(upper, weight, Tensor())
                ->run(x)
                .to_layout(Layout::row_major)
                .data<float>()[3],
            9.0f);
  attributes.set("auto_pad", std::string("SAME_LOWER"));
  const LinearSpec lower = linear_spec("Conv", attributes, weight, "c");
  EXPECT_EQ(make_float_kernel(lower, weight, Tensor())
                ->run(x)
                .to_layout(Layout::row_major)
                .data<float>()[0],
            1.0f);
  EXPECT_EQ(multiply_accumulates(lower, weight.shape(), x.shape()), 4 * 4);
}

TEST(LinearSpecTest, counts_multiply_accumulates) {
  const LinearSpec conv{.strides = {2, 2}, .pads = {1, 1, 1, 1}, .group = 2, .name = "c"};
  EXPECT_EQ(multiply_accumulates(conv, {8, 2, 3, 3}, {3, 4, 8, 8}), 3 * 8 * 4 * 4 * 2 * 9);
  const LinearSpec gemm{.kind = LinearSpec::Kind::gemm, .name = "g"};
  EXPECT_EQ(multiply_accumulates(gemm, {10, 64}, {5, 7, 64}), 35 * 640);
  const LinearSpec transpose{.kind = LinearSpec::Kind::conv_transpose, .name = "t"};
  EXPECT_EQ(multiply_accumulates(transpose, {6, 4, 2, 2}, {1, 6, 5, 5}), 25 * 6 * 4 * 4);
}

TEST(LinearSpecTest, refuses_damaged_operands_by_name) {
  const Tensor weight = tensor_of(DType::f32, {2, 3, 3, 3}, std::vector<float>(54));
  const auto run = [&](LinearSpec spec, const Shape& input) {
    spec.name = "node";
    return code_of(
        [&] { (void)make_float_kernel(spec, weight, Tensor())->run(Tensor(DType::f32, input)); });
  };
  EXPECT_EQ(run({}, {1, 4, 8, 8}), ErrorCode::corrupt_input);
  EXPECT_EQ(run({}, {1, 3, 8}), ErrorCode::corrupt_input);
  EXPECT_EQ(run({}, {1, 3, 2, 2}), ErrorCode::corrupt_input);
  EXPECT_EQ(run({.pads = {-1, 0, 0, 0}}, {1, 3, 8, 8}), ErrorCode::corrupt_input);
  EXPECT_EQ(run({.pads = {1 << 23, 1 << 23, 1 << 23, 1 << 23}}, {1, 3, 8, 8}),
            ErrorCode::corrupt_input);
  EXPECT_EQ(run({.strides = {0, 1}}, {1, 3, 8, 8}), ErrorCode::corrupt_input);
  EXPECT_EQ(run({.group = 3}, {1, 3, 8, 8}), ErrorCode::corrupt_input);
  const Tensor long_bias(DType::f32, {7});
  EXPECT_EQ(code_of([&] { (void)make_float_kernel({.name = "node"}, weight, long_bias); }),
            ErrorCode::corrupt_input);
  Attributes trans_a;
  trans_a.set("transA", std::int64_t{1});
  EXPECT_EQ(code_of([&] {
              (void)linear_spec("Gemm", trans_a, Tensor(DType::f32, {2, 2}), "node");
            }),
            ErrorCode::unsupported);
}

TEST(KernelLibrariesTest, names_both_libraries) {
  const std::string text = kernel_libraries();
  EXPECT_NE(text.find("oneDNN 2."), std::string::npos) << text;
  EXPECT_NE(text.find("OpenBLAS 0."), std::string::npos) << text;
}

}  // namespace
}  // namespace qsweep
