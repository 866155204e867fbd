#include <cmath>
#include <limits>

#include "src/quant/affine.h"
#include "src/quant/float_codes.h"

#include "src/kernels/detail/operator.h"

namespace qsweep::detail {
namespace {

/// ONNX TensorProto element types that tensors here can have.
DType element_type(const OpCall& call, std::int64_t code) {
  switch (code) {
    case 1:
      return DType::f32;
    case 2:
      return DType::u8;
    case 3:
      return DType::i8;
    case 4:
      return DType::u16;
    case 5:
      return DType::i16;
    case 6:
      return DType::i32;
    case 7:
      return DType::i64;
    case 9:
      return DType::boolean;
    case 10:
      return DType::f16;
    case 11:
      return DType::f64;
    case 12:
      return DType::u32;
    case 13:
      return DType::u64;
    case 16:
      return DType::bf16;
    default:
      refuse(call, "to element type " + std::to_string(code) + " has no kernel");
  }
}

/// float to integer: towards zero, saturating; NaN is 0. Between integers: wraps, as ONNX Runtime
/// does.
template <class To, class From>
To convert(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    const auto wide = static_cast<double>(value);
    if (std::isnan(wide)) return To{0};
    if (wide >= std::ldexp(1.0, std::numeric_limits<To>::digits))
      return std::numeric_limits<To>::max();
    if (wide <= static_cast<double>(std::numeric_limits<To>::lowest()))
      return std::numeric_limits<To>::lowest();
  }
  return static_cast<To>(value);
}

/// Half-width floats take the way through float32.
Tensor widen(const Tensor& x) {
  Tensor y(DType::f32, x.shape(), x.layout());
  const auto in = x.data<std::uint16_t>();
  const auto out = y.mutable_data<float>();
  for (std::size_t i = 0; i < in.size(); ++i)
    out[i] = x.dtype() == DType::f16 ? half_to_float(in[i]) : bfloat16_to_float(in[i]);
  return y;
}

Tensor narrow(const Tensor& x, DType to) {
  Tensor y(to, x.shape(), x.layout());
  const auto in = x.data<float>();
  const auto out = y.mutable_data<std::uint16_t>();
  for (std::size_t i = 0; i < in.size(); ++i)
    out[i] = to == DType::f16 ? float_to_half(in[i]) : float_to_bfloat16(in[i]);
  return y;
}

Tensor cast_to(const OpCall& call, const Tensor& x, DType to) {
  if (x.dtype() == to) return x;
  if (x.dtype() == DType::f16 || x.dtype() == DType::bf16) return cast_to(call, widen(x), to);
  if (to == DType::f16 || to == DType::bf16) return narrow(cast_to(call, x, DType::f32), to);
  Tensor y(to, x.shape(), x.layout());
  const auto from = [&]<class From>(std::type_identity<From>) {
    const auto in = x.data<From>();
    if (to == DType::boolean) {
      const auto out = y.mutable_data<std::uint8_t>();
      for (std::size_t i = 0; i < in.size(); ++i) out[i] = in[i] != From{0} ? 1 : 0;
      return;
    }
    visit_numeric(call, to, [&]<class To>(std::type_identity<To>) {
      const auto out = y.mutable_data<To>();
      for (std::size_t i = 0; i < in.size(); ++i) out[i] = convert<To>(in[i]);
    });
  };
  if (x.dtype() == DType::boolean)
    from(std::type_identity<std::uint8_t>{});
  else
    visit_numeric(call, x.dtype(), from);
  return y;
}

/// Scale, zero point and axis of a QuantizeLinear or DequantizeLinear node.
QuantParams node_params(const OpCall& call, Inputs inputs, DType codes) {
  const Tensor& x = inputs[0];
  QuantParams params;
  params.format.dtype = codes;
  params.format.symmetric = false;
  params.format.narrow_range = false;
  params.scale = float_values(call, inputs[1]);
  switch (codes) {
    case DType::i8:
    case DType::u8:
    case DType::i4:
    case DType::u4:
    case DType::i32:
    case DType::f8e4m3fn:
    case DType::f8e5m2:
      break;
    default:
      refuse(call, "has no kernel for codes of " + std::string(name_of(codes)));
  }
  for (const float scale : params.scale) {
    if (!(scale > 0.0f) || !std::isfinite(scale))
      fail(call, "has a scale that is not a positive number");
  }
  if (call.attributes.i("block_size", 0) != 0) refuse(call, "with block_size has no kernel");
  if (has(inputs, 2) && is_integer(codes)) {
    if (inputs[2].size() != inputs[1].size())
      fail(call, "has scale and zero point of different sizes");
    visit_numeric(call,
                  inputs[2].dtype() == DType::i4   ? DType::i8
                  : inputs[2].dtype() == DType::u4 ? DType::u8
                                                   : inputs[2].dtype(),
                  [&]<class T>(std::type_identity<T>) {
                    for (const T value : inputs[2].data<T>())
                      params.zero_point.push_back(static_cast<std::int32_t>(value));
                  });
  }
  if (inputs[1].rank() == 0 || inputs[1].size() == 1) {
    if (params.scale.size() != 1) fail(call, "has no scale");
    return params;
  }
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 1), x.rank());
  if (inputs[1].rank() != 1 || inputs[1].dim(0) != x.shape()[axis])
    fail(call, "has scales " + to_string(inputs[1].shape()) + " for " + to_string(x.shape()));
  params.format.granularity = Granularity::per_channel;
  params.axis = static_cast<int>(axis);
  return params;
}

}  // namespace

Tensors cast(const OpCall& call, Inputs inputs) {
  if (!call.attributes.has("to")) fail(call, "has no target type");
  return {cast_to(call, inputs[0], element_type(call, call.attributes.i("to", 0)))};
}

Tensors cast_like(const OpCall& call, Inputs inputs) {
  return {cast_to(call, inputs[0], inputs[1].dtype())};
}

namespace {
/// The quantizers take per-channel operands in row_major only.
Tensor suited(const Tensor& x, const QuantParams& params) {
  return params.format.granularity == Granularity::per_tensor ? x : x.to_layout(Layout::row_major);
}
}  // namespace

Tensors quantize_linear(const OpCall& call, Inputs inputs) {
  require_f32(call, inputs[0]);
  DType codes = DType::u8;
  if (has(inputs, 2))
    codes = inputs[2].dtype();
  else if (call.attributes.i("output_dtype", 0) != 0)
    codes = element_type(call, call.attributes.i("output_dtype", 0));
  if (codes == DType::i32) refuse(call, "has no kernel for codes of int32");
  const QuantParams params = node_params(call, inputs, codes);
  return {quantize(suited(inputs[0], params), params)};
}

Tensors dequantize_linear(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const QuantParams params = node_params(call, inputs, x.dtype());
  if (x.dtype() != DType::i32) return {dequantize(suited(x, params), params)};
  // int32 holds biases; it is no quantization format of its own.
  Tensor y(DType::f32, x.shape(), x.layout());
  const std::int64_t scales = static_cast<std::int64_t>(params.scale.size());
  const std::int64_t inner =
      scales == 1 ? 1 : strides_of(x.shape(), x.layout())[static_cast<std::size_t>(params.axis)];
  const auto in = x.data<std::int32_t>();
  const auto out = y.mutable_data<float>();
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto channel = static_cast<std::size_t>(static_cast<std::int64_t>(i) / inner % scales);
    const std::int64_t zero = params.zero_point.empty() ? 0 : params.zero_point[channel];
    out[i] = static_cast<float>(in[i] - zero) * params.scale[channel];
  }
  return {y};
}

Tensors dynamic_quantize_linear(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  require_f32(call, x);
  float low = 0.0f, high = 0.0f;
  for (const float v : x.data<float>()) {
    low = std::fmin(low, v);
    high = std::fmax(high, v);
  }
  Format format;
  format.dtype = DType::u8;
  format.symmetric = false;
  format.narrow_range = false;
  const QuantParams params = params_from_range(low, high, format);
  const std::uint8_t zero =
      params.zero_point.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(params.zero_point[0]);
  return {quantize(x, params), Tensor::of<float>(DType::f32, {}, params.scale),
          Tensor::of<std::uint8_t>(DType::u8, {}, {&zero, 1})};
}

}  // namespace qsweep::detail
