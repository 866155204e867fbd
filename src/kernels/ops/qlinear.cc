#include <algorithm>
#include <array>
#include <cmath>

#include "src/quant/affine.h"

#include "src/kernels/detail/strided.h"

/// Elementwise operators, pools and Concat on 8-bit codes: ONNX Runtime's com.microsoft operators,
/// rounded where it rounds. What has no arithmetic of its own there is computed on real values
/// between a DequantizeLinear and a QuantizeLinear.

namespace qsweep::detail {
namespace {

/// A tensor of codes with its scale and zero point, or the wanted form of a result.
struct Coded {
  DType type = DType::u8;
  float scale = 1.0f;
  std::int32_t zero = 0;
};

/// Reads the scale at `at` and the zero point behind it, which may be absent.
Coded coded(const OpCall& call, Inputs inputs, std::size_t at, DType type) {
  if (!has(inputs, at)) fail(call, "lacks input " + std::to_string(at));
  const std::vector<float> scale = float_values(call, inputs[at]);
  if (scale.size() != 1 || !(scale[0] > 0.0f) || !std::isfinite(scale[0]))
    fail(call, "needs one positive scale at input " + std::to_string(at));
  Coded result{.type = type, .scale = scale[0]};
  if (has(inputs, at + 1)) {
    const Tensor& zero = inputs[at + 1];
    if (zero.size() != 1 || zero.dtype() != type)
      fail(call, "has a zero point that does not fit its codes");
    const std::uint8_t code = zero.data<std::uint8_t>()[0];
    result.zero = type == DType::i8 ? static_cast<std::int8_t>(code) : std::int32_t{code};
  }
  return result;
}

/// The tensor at `at`, whose scale and zero point follow it.
const Tensor& codes_at(const OpCall& call, Inputs inputs, std::size_t at) {
  if (!has(inputs, at)) fail(call, "lacks input " + std::to_string(at));
  if (inputs[at].dtype() != DType::u8 && inputs[at].dtype() != DType::i8)
    refuse(call, "has no kernel for codes of " + std::string(name_of(inputs[at].dtype())));
  return inputs[at];
}

QuantParams params_of(const Coded& form) {
  QuantParams params;
  params.format.dtype = form.type;
  params.format.symmetric = false;
  params.format.narrow_range = false;
  params.scale = {form.scale};
  params.zero_point = {form.zero};
  return params;
}

Tensor real(const OpCall& call, Inputs inputs, std::size_t at) {
  const Tensor& codes = codes_at(call, inputs, at);
  return dequantize(codes, params_of(coded(call, inputs, at + 1, codes.dtype())));
}

/// saturate(round_half_even(value)) of values in steps of the result, zero point included.
template <class T>
T saturated(float value) {
  return static_cast<T>(std::clamp(std::nearbyint(value),
                                   static_cast<float>(std::numeric_limits<T>::min()),
                                   static_cast<float>(std::numeric_limits<T>::max())));
}

/// Calls f(std::type_identity<T>{}) with the type of 8-bit codes.
template <class F>
auto visit_codes(DType type, F&& f) {
  return type == DType::i8 ? f(std::type_identity<std::int8_t>{})
                           : f(std::type_identity<std::uint8_t>{});
}

/// Both operands, in which a run repeats one code where its stride is 0.
template <class Run>
Tensor binary(const OpCall& call, Inputs inputs, const Run& run) {
  const Tensor& a = codes_at(call, inputs, 0);
  const Tensor& b = codes_at(call, inputs, 3);
  if (a.dtype() != b.dtype()) fail(call, "has operands of different types");
  Tensor y = make_result(call, a.dtype(), broadcast_shape(call, {&a, &b}));
  visit_codes(a.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* left = a.data<T>().data();
    const T* right = b.data<T>().data();
    T* out = y.mutable_data<T>().data();
    broadcast_loop<2>({&a, &b}, y)
        .run([&](const auto& offset, const auto& stride, std::int64_t count) {
          run(left + offset[0], stride[0], right + offset[1], stride[1], out + offset[2], stride[2],
              count);
        });
  });
  return y;
}

/// The float operator between a DequantizeLinear and a QuantizeLinear.
Tensor on_values(const OpCall& call,
                 std::string_view op,
                 int opset,
                 const std::vector<Tensor>& operands) {
  Attributes attributes = call.attributes;
  for (const char* own : {"channels_last", "opset"}) attributes.erase(own);
  return run_op({op, "", opset, attributes, 1, call.name}, operands)[0].to_layout(
      Layout::row_major);
}

}  // namespace

/// y = round(a * (a_scale / y_scale) + (b * (b_scale / y_scale) + fixed)), both fused
/// multiply-adds, with fixed = y_zero - (a_scale / y_scale * a_zero + b_scale / y_scale * b_zero).
/// A repeated operand joins the fixed part.
Tensors qlinear_add(const OpCall& call, Inputs inputs) {
  const Coded a = coded(call, inputs, 1, codes_at(call, inputs, 0).dtype());
  const Coded b = coded(call, inputs, 4, codes_at(call, inputs, 3).dtype());
  const Coded y = coded(call, inputs, 6, a.type);
  const float by_a = a.scale / y.scale, by_b = b.scale / y.scale;
  const float fixed = static_cast<float>(y.zero) -
                      (by_a * static_cast<float>(a.zero) + by_b * static_cast<float>(b.zero));
  return {
      binary(call, inputs,
             [&]<class T>(const T* left, std::int64_t left_step, const T* right,
                          std::int64_t right_step, T* out, std::int64_t step, std::int64_t count) {
               const bool repeats_left = left_step == 0 && count > 1;
               const bool repeats_right = right_step == 0 && count > 1 && !repeats_left;
               float base = fixed;
               if (repeats_left) base += static_cast<float>(*left) * by_a;
               if (repeats_right) base += static_cast<float>(*right) * by_b;
               for (std::int64_t i = 0; i < count; ++i) {
                 float value = base;
                 if (!repeats_right)
                   value = std::fma(static_cast<float>(right[i * right_step]), by_b, value);
                 if (!repeats_left)
                   value = std::fma(static_cast<float>(left[i * left_step]), by_a, value);
                 out[i * step] = saturated<T>(value);
               }
             })};
}

/// y = round((a - a_zero) (b - b_zero) * (a_scale * b_scale / y_scale) + y_zero)
Tensors qlinear_mul(const OpCall& call, Inputs inputs) {
  const Coded a = coded(call, inputs, 1, codes_at(call, inputs, 0).dtype());
  const Coded b = coded(call, inputs, 4, codes_at(call, inputs, 3).dtype());
  const Coded y = coded(call, inputs, 6, a.type);
  const float scale = a.scale * b.scale / y.scale;
  return {
      binary(call, inputs,
             [&]<class T>(const T* left, std::int64_t left_step, const T* right,
                          std::int64_t right_step, T* out, std::int64_t step, std::int64_t count) {
               for (std::int64_t i = 0; i < count; ++i) {
                 const std::int32_t product =
                     (left[i * left_step] - a.zero) * (right[i * right_step] - b.zero);
                 out[i * step] =
                     saturated<T>(static_cast<float>(product) * scale + static_cast<float>(y.zero));
               }
             })};
}

/// QLinearSigmoid, QLinearLeakyRelu and QLinearSoftmax: (x, x_scale, x_zero, y_scale, y_zero)
Tensors qlinear_unary(const OpCall& call, Inputs inputs) {
  const std::string_view op = call.op.substr(std::string_view("QLinear").size());
  const auto opset = static_cast<int>(call.attributes.i("opset", call.opset));
  const Coded y = coded(call, inputs, 3, codes_at(call, inputs, 0).dtype());
  return {quantize(on_values(call, op, opset, {real(call, inputs, 0)}), params_of(y))};
}

/// QLinearAveragePool and QLinearGlobalAveragePool: (x, x_scale, x_zero, y_scale, y_zero). The
/// global one sums codes; the other adds the zero point before it rounds.
Tensors qlinear_pool(const OpCall& call, Inputs inputs) {
  if (call.attributes.i("channels_last", 0) != 0) refuse(call, "with channels_last has no kernel");
  const Tensor& codes = codes_at(call, inputs, 0);
  const Coded x = coded(call, inputs, 1, codes.dtype());
  const Coded y = coded(call, inputs, 3, codes.dtype());
  if (call.op == "QLinearAveragePool") {
    const Tensor means = on_values(call, "AveragePool", call.opset, {real(call, inputs, 0)});
    Tensor out = make_result(call, y.type, means.shape());
    visit_codes(y.type, [&]<class T>(std::type_identity<T>) {
      std::ranges::transform(means.data<float>(), out.mutable_data<T>().begin(), [&](float mean) {
        return saturated<T>(mean / y.scale + static_cast<float>(y.zero));
      });
    });
    return {out};
  }
  if (codes.rank() < 3) fail(call, "needs an image and got " + to_string(codes.shape()));
  Shape shape = codes.shape();
  std::fill(shape.begin() + 2, shape.end(), 1);
  Tensor out = make_result(call, y.type, shape);
  const std::int64_t area = out.size() == 0 ? 0 : codes.size() / out.size();
  if (area == 0) fail(call, "has an empty image");
  const float scale = x.scale / (y.scale * static_cast<float>(area));
  visit_codes(y.type, [&]<class T>(std::type_identity<T>) {
    const auto in = codes.data<T>();
    const auto means = out.mutable_data<T>();
    for (std::size_t c = 0; c < means.size(); ++c) {
      std::int64_t sum = -area * x.zero;
      const std::size_t first = c * static_cast<std::size_t>(area);
      for (std::size_t i = first; i < first + static_cast<std::size_t>(area); ++i) sum += in[i];
      means[c] = saturated<T>(std::nearbyint(static_cast<float>(sum) * scale) +
                              static_cast<float>(y.zero));
    }
  });
  return {out};
}

/// (y_scale, y_zero, (x, x_scale, x_zero)...)
Tensors qlinear_concat(const OpCall& call, Inputs inputs) {
  if ((inputs.size() - 2) % 3 != 0) fail(call, "needs three inputs for each of its operands");
  std::vector<Tensor> operands;
  for (std::size_t i = 2; i < inputs.size(); i += 3) operands.push_back(real(call, inputs, i));
  const Coded y = coded(call, inputs, 0, codes_at(call, inputs, 2).dtype());
  return {quantize(on_values(call, "Concat", call.opset, operands), params_of(y))};
}

}  // namespace qsweep::detail
