#include <algorithm>
#include <cmath>
#include <limits>

#include "src/base/vector_clones.h"

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/matmul_shape.h"
#include "src/kernels/linear.h"

/// Products of 8-bit codes in INT32, exact like ONNX Runtime's (beyond 32 bits they wrap), and
/// their requantization: y = saturate(round_half_even(sum * scale) + zero_point), the product in
/// FP32. Spec: ONNX ConvInteger-10, MatMulInteger-10, QLinearConv-10, QLinearMatMul-21 and
/// com.microsoft QGemm.

namespace qsweep::detail {
namespace {

using Codes = std::vector<std::int16_t>;  ///< codes less their zero point: at most 255 each way

/// Sums of so many products of two such codes stay below 2^31.
constexpr std::int64_t kSafeDepth = std::int64_t{1} << 14;

/// y[i * stride + j] = sum_k a[i, k] * b[j, k] for rows of depth k.
QSWEEP_VECTOR_CLONES
void multiply_rows(const std::int16_t* a,
                   std::int64_t rows_a,
                   const std::int16_t* b,
                   std::int64_t rows_b,
                   std::int64_t depth,
                   std::int32_t* y,
                   std::int64_t stride) {
  for (std::int64_t i = 0; i < rows_a; ++i) {
    for (std::int64_t j = 0; j < rows_b; ++j) {
      const std::int16_t* left = a + i * depth;
      const std::int16_t* right = b + j * depth;
      std::uint32_t total = 0;
      for (std::int64_t begin = 0; begin < depth; begin += kSafeDepth) {
        const std::int64_t end = std::min(begin + kSafeDepth, depth);
        std::int32_t sum = 0;
        for (std::int64_t k = begin; k < end; ++k)
          sum += static_cast<std::int32_t>(left[k]) * static_cast<std::int32_t>(right[k]);
        total += static_cast<std::uint32_t>(sum);
      }
      y[i * stride + j] = static_cast<std::int32_t>(total);
    }
  }
}

/// The zero points of an operand of codes: none (0), one, or one along an axis.
std::vector<std::int16_t> zeros_of(const OpCall& call, Inputs inputs, std::size_t i, DType codes) {
  if (!has(inputs, i)) return {0};
  if (inputs[i].dtype() != codes) {
    fail(call, "has a zero point of " + std::string(name_of(inputs[i].dtype())) + " for " +
                   std::string(name_of(codes)));
  }
  std::vector<std::int16_t> zeros;
  for (const std::uint8_t value : inputs[i].data<std::uint8_t>())
    zeros.push_back(codes == DType::i8 ? static_cast<std::int8_t>(value) : std::int16_t{value});
  return zeros;
}

/// Codes less the zero points along [outer, zeros, inner].
Codes centred(const OpCall& call,
              const Tensor& x,
              const std::vector<std::int16_t>& zeros,
              std::int64_t inner) {
  if (x.dtype() != DType::i8 && x.dtype() != DType::u8)
    refuse(call, "has no kernel for codes of " + std::string(name_of(x.dtype())));
  Codes codes(static_cast<std::size_t>(x.size()));
  const auto subtract = [&](const auto* in) {
    const auto count = static_cast<std::int64_t>(zeros.size());
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const auto zero = zeros[static_cast<std::size_t>(count == 1 ? 0 : i / inner % count)];
      codes[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(in[i] - zero);
    }
  };
  if (x.dtype() == DType::i8)
    subtract(x.data<std::int8_t>().data());
  else
    subtract(x.data<std::uint8_t>().data());
  return codes;
}

/// The zero point of an operand that has one for all its codes.
std::vector<std::int16_t> one_zero(const OpCall& call, Inputs inputs, std::size_t i, DType codes) {
  std::vector<std::int16_t> zeros = zeros_of(call, inputs, i, codes);
  if (zeros.size() != 1) refuse(call, "with several zero points of its input has no kernel");
  return zeros;
}

/// Depth-contiguous windows [pixel, channel of the group, tap] of one image; padding is real 0.
class Windows {
 public:
  explicit Windows(const Geometry& g) : g_(g), taps_(product(g.kernel)), area_(product(g.input)) {}

  void gather(const std::int16_t* channels, std::int64_t pixel, std::int16_t* out) {
    const std::size_t axes = g_.input.size();
    std::vector<std::int64_t> at(axes), tap(axes);
    unflatten(pixel, g_.output, at);
    const std::int64_t depth = g_.in_channels / g_.group;
    for (std::int64_t t = 0; t < taps_; ++t) {
      unflatten(t, g_.kernel, tap);
      std::int64_t place = 0;
      bool inside = true;
      for (std::size_t a = 0; a < axes; ++a) {
        const std::int64_t p = at[a] * g_.strides[a] + tap[a] * g_.dilations[a] - g_.pad_begin[a];
        inside = inside && p >= 0 && p < g_.input[a];
        place = place * g_.input[a] + p;
      }
      for (std::int64_t c = 0; c < depth; ++c)
        out[c * taps_ + t] = inside ? channels[c * area_ + place] : std::int16_t{0};
    }
  }

 private:
  const Geometry& g_;
  std::int64_t taps_, area_;
};

/// Sums of a convolution: operands at `x` and `w`, their zero points at `x_zero` and `w_zero`.
Tensor conv_sums(const OpCall& call,
                 Inputs inputs,
                 std::size_t x,
                 std::size_t x_zero,
                 std::size_t w,
                 std::size_t w_zero) {
  const Tensor& image = inputs[x];
  const Tensor& weight = inputs[w];
  const LinearSpec spec = linear_spec("Conv", call.attributes, weight, call.name);
  const Geometry g = resolve_geometry(spec, weight.shape(), image.shape());
  const auto w_zeros = zeros_of(call, inputs, w_zero, weight.dtype());
  if (w_zeros.size() != 1 && static_cast<std::int64_t>(w_zeros.size()) != g.out_channels)
    fail(call, "has zero points that do not fit its output channels");
  const std::int64_t depth = g.in_channels / g.group * product(g.kernel);
  const Codes codes = centred(call, image, one_zero(call, inputs, x_zero, image.dtype()), 1);
  const Codes weights = centred(call, weight, w_zeros, depth);
  Tensor y = make_result(call, DType::i32, g.result);
  const std::int64_t pixels = product(g.output), channels = g.out_channels / g.group;
  constexpr std::int64_t kTile = 128;  // windows that are multiplied at a time
  Codes tile(static_cast<std::size_t>(std::min(kTile, pixels) * depth));
  Windows windows(g);
  std::int32_t* out = y.mutable_data<std::int32_t>().data();
  for (std::int64_t n = 0; n < g.batch * g.group; ++n) {
    const std::int64_t group = n % g.group;
    const std::int16_t* in = codes.data() + n * (g.in_channels / g.group) * product(g.input);
    for (std::int64_t p = 0; p < pixels; p += kTile) {
      const std::int64_t count = std::min(kTile, pixels - p);
      for (std::int64_t i = 0; i < count; ++i) windows.gather(in, p + i, tile.data() + i * depth);
      multiply_rows(weights.data() + group * channels * depth, channels, tile.data(), count, depth,
                    out + n * channels * pixels + p, pixels);
    }
  }
  return y;
}

/// Sums of a matrix product; zero points of the left operand by row, of the right one by column.
Tensor matmul_sums(const OpCall& call,
                   Inputs inputs,
                   std::size_t a,
                   std::size_t a_zero,
                   std::size_t b,
                   std::size_t b_zero) {
  const MatMulShape s = matmul_shape(call, inputs[a].shape(), inputs[b].shape());
  const auto a_zeros = zeros_of(call, inputs, a_zero, inputs[a].dtype());
  const auto b_zeros = zeros_of(call, inputs, b_zero, inputs[b].dtype());
  const auto fits = [](const auto& zeros, std::int64_t count) {
    return zeros.size() == 1 || static_cast<std::int64_t>(zeros.size()) == count;
  };
  if (!fits(a_zeros, s.m) || !fits(b_zeros, s.n))
    refuse(call, "has zero points neither for all codes nor for each row or column");
  const Codes left = centred(call, inputs[a], a_zeros, s.k);
  const Codes right = centred(call, inputs[b], b_zeros, 1);
  Tensor y = make_result(call, DType::i32, s.result);
  std::int32_t* out = y.mutable_data<std::int32_t>().data();
  Codes columns(static_cast<std::size_t>(s.k * s.n));
  s.batches.run([&](const auto& offset, const auto& stride, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int16_t* matrix = right.data() + offset[1] + i * stride[1];
      for (std::int64_t k = 0; k < s.k; ++k) {
        for (std::int64_t n = 0; n < s.n; ++n)
          columns[static_cast<std::size_t>(n * s.k + k)] = matrix[k * s.n + n];
      }
      multiply_rows(left.data() + offset[0] + i * stride[0], s.m, columns.data(), s.n, s.k,
                    out + offset[2] + i * stride[2], s.n);
    }
  });
  return y;
}

float one_scale(const OpCall& call, Inputs inputs, std::size_t i) {
  if (!has(inputs, i)) fail(call, "lacks input " + std::to_string(i));
  const std::vector<float> values = float_values(call, inputs[i]);
  if (values.size() != 1) refuse(call, "with several scales of input " + std::to_string(i));
  return values[0];
}

/// x_scale * w_scale / y_scale for each of the right operand's scales, rounded step by step.
std::vector<float> output_scales(
    const OpCall& call, Inputs inputs, float left, std::size_t right, std::int64_t channels) {
  std::vector<float> scales = float_values(call, inputs[right]);
  if (scales.size() != 1 && static_cast<std::int64_t>(scales.size()) != channels)
    fail(call, "has scales that do not fit its output channels");
  for (float& scale : scales) scale *= left;
  return scales;
}

/// Codes of sums [outer, channels, inner] with one scale, or one for each channel.
Tensor requantized(const OpCall& call,
                   Inputs inputs,
                   std::size_t y_zero,
                   const Tensor& sums,
                   const std::vector<float>& scales,
                   std::int64_t inner,
                   DType default_type) {
  const DType type = has(inputs, y_zero) ? inputs[y_zero].dtype() : default_type;
  const std::int32_t zero = one_zero(call, inputs, y_zero, type)[0];
  Tensor y = make_result(call, type, sums.shape());
  const auto fill = [&]<class T>(std::type_identity<T>) {
    const auto low = static_cast<float>(std::numeric_limits<T>::min() - zero);
    const auto high = static_cast<float>(std::numeric_limits<T>::max() - zero);
    const auto in = sums.data<std::int32_t>();
    const auto out = y.mutable_data<T>();
    const auto count = static_cast<std::int64_t>(scales.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::int64_t channel = static_cast<std::int64_t>(i) / inner % count;
      const float value = static_cast<float>(in[i]) * scales[static_cast<std::size_t>(channel)];
      out[i] = static_cast<T>(
          static_cast<std::int32_t>(std::nearbyint(std::clamp(value, low, high))) + zero);
    }
  };
  if (type == DType::i8)
    fill(std::type_identity<std::int8_t>{});
  else
    fill(std::type_identity<std::uint8_t>{});
  return y;
}

void add_wrapping(std::int32_t& sum, std::int32_t term) {
  sum =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(term));
}

void require_i32(const OpCall& call, const Tensor& bias) {
  if (bias.dtype() != DType::i32) fail(call, "has a bias that is not of int32");
}

}  // namespace

Tensors conv_integer(const OpCall& call, Inputs inputs) {
  return {conv_sums(call, inputs, 0, 2, 1, 3)};
}

Tensors matmul_integer(const OpCall& call, Inputs inputs) {
  return {matmul_sums(call, inputs, 0, 2, 1, 3)};
}

/// (x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero[, bias])
Tensors qlinear_conv(const OpCall& call, Inputs inputs) {
  Tensor sums = conv_sums(call, inputs, 0, 2, 3, 5);
  const std::int64_t channels = sums.dim(1);
  const std::int64_t inner = sums.size() / std::max<std::int64_t>(sums.dim(0) * channels, 1);
  if (has(inputs, 8)) {
    require_i32(call, inputs[8]);
    if (inputs[8].size() != channels) fail(call, "has a bias that does not fit its channels");
    const auto bias = inputs[8].data<std::int32_t>();
    const auto out = sums.mutable_data<std::int32_t>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::int64_t channel = static_cast<std::int64_t>(i) / inner % channels;
      add_wrapping(out[i], bias[static_cast<std::size_t>(channel)]);
    }
  }
  std::vector<float> scales = output_scales(call, inputs, one_scale(call, inputs, 1), 4, channels);
  const float y_scale = one_scale(call, inputs, 6);
  for (float& scale : scales) scale /= y_scale;
  return {requantized(call, inputs, 7, sums, scales, std::max<std::int64_t>(inner, 1),
                      inputs[0].dtype())};
}

/// (a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)
Tensors qlinear_matmul(const OpCall& call, Inputs inputs) {
  const Tensor sums = matmul_sums(call, inputs, 0, 2, 3, 5);
  const std::int64_t columns = inputs[3].rank() < 2 ? 1 : inputs[3].dim(-1);
  std::vector<float> scales = output_scales(call, inputs, one_scale(call, inputs, 1), 4, columns);
  const float y_scale = one_scale(call, inputs, 6);
  for (float& scale : scales) scale /= y_scale;
  return {requantized(call, inputs, 7, sums, scales, 1, inputs[0].dtype())};
}

/// (A, a_scale, a_zero, B, b_scale, b_zero[, C, y_scale, y_zero]): alpha * (A B + C), of codes
/// where there is y_scale, else of real values.
Tensors qgemm(const OpCall& call, Inputs inputs) {
  for (const std::size_t i : {std::size_t{0}, std::size_t{3}}) {
    if (i >= inputs.size() || inputs[i].rank() != 2) fail(call, "needs two matrices");
  }
  std::vector<Tensor> operands(inputs.begin(), inputs.end());
  const auto transpose = [&](std::size_t i, const char* attribute) {
    if (call.attributes.i(attribute, 0) == 0) return;
    Attributes swap;
    swap.set("perm", Ints{1, 0});
    operands[i] = run_op({"Transpose", "", call.opset, swap, 1, call.name}, {&operands[i], 1})[0];
  };
  transpose(0, "transA");
  transpose(3, "transB");
  Tensor sums = matmul_sums(call, operands, 0, 2, 3, 5);
  if (has(inputs, 6)) {
    require_i32(call, inputs[6]);
    if (broadcast_shape(call, {&sums, &inputs[6]}) != sums.shape())
      fail(call, "has a C larger than its result");
    const Ints strides = broadcast_strides(inputs[6], sums.shape());
    const auto bias = inputs[6].data<std::int32_t>();
    const auto out = sums.mutable_data<std::int32_t>();
    const std::int64_t columns = sums.dim(1);
    for (std::int64_t i = 0; i < sums.size(); ++i) {
      add_wrapping(
          out[static_cast<std::size_t>(i)],
          bias[static_cast<std::size_t>(i / columns * strides[0] + i % columns * strides[1])]);
    }
  }
  const float left = call.attributes.f("alpha", 1.0f) * one_scale(call, inputs, 1);
  std::vector<float> scales = output_scales(call, inputs, left, 4, sums.dim(1));
  if (has(inputs, 7)) {
    const float y_scale = one_scale(call, inputs, 7);
    for (float& scale : scales) scale /= y_scale;
    return {requantized(call, inputs, 8, sums, scales, 1, inputs[0].dtype())};
  }
  Tensor y = make_result(call, DType::f32, sums.shape());
  const auto in = sums.data<std::int32_t>();
  const auto out = y.mutable_data<float>();
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(in[i]) * scales[i % scales.size()];
  return {y};
}

}  // namespace qsweep::detail
