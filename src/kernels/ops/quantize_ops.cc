#include <algorithm>
#include <cmath>
#include <limits>

#include "src/tensor/onnx_type.h"

#include "src/quant/affine.h"
#include "src/quant/float_codes.h"
#include "src/quant/rounding.h"

#include "src/kernels/detail/operator.h"

namespace qsweep::detail {
namespace {

DType element_type(const OpCall& call, std::int64_t type) {
  const std::optional<DType> dtype = dtype_of_onnx(type);
  if (!dtype) {
    refuse(call, "to element type " +
                     (type == 18   ? std::string("float8e4m3fnuz")
                      : type == 20 ? std::string("float8e5m2fnuz")
                                   : std::to_string(type)) +
                     " has no kernel");
  }
  return *dtype;
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

/// The formats of small floats as Cast and QuantizeLinear round to them. Without saturation what
/// rounds to more than the largest number is infinite, or NaN where the format has no infinity.
bool is_small(DType dtype) {
  return dtype == DType::f8e4m3fn || dtype == DType::f8e5m2 || dtype == DType::f4e2m1;
}

rounding::MiniFloat small_float(DType dtype, bool saturates) {
  rounding::MiniFloat format = dtype == DType::f8e4m3fn ? rounding::kE4M3FN
                               : dtype == DType::f8e5m2 ? rounding::kE5M2
                                                        : rounding::kE2M1;
  format.saturates = saturates || dtype == DType::f4e2m1;
  if (format.infinity == 0) format.infinity = format.nan;
  return format;
}

/// Halves and small floats take the way through float32.
Tensor widen(const Tensor& x) {
  Tensor y(DType::f32, x.shape(), x.layout());
  const auto out = y.mutable_data<float>();
  if (is_small(x.dtype())) {
    std::ranges::transform(x.data<std::uint8_t>(), out.begin(),
                           [&](std::uint8_t code) { return decode_small_float(code, x.dtype()); });
    return y;
  }
  std::ranges::transform(x.data<std::uint16_t>(), out.begin(), [&](std::uint16_t bits) {
    return x.dtype() == DType::f16 ? half_to_float(bits) : bfloat16_to_float(bits);
  });
  return y;
}

Tensor narrow(const Tensor& x, DType to, bool saturates) {
  Tensor y(to, x.shape(), x.layout());
  const auto in = x.data<float>();
  if (is_small(to)) {
    const rounding::MiniFloat format = small_float(to, saturates);
    std::ranges::transform(in, y.mutable_data<std::uint8_t>().begin(), [&](float value) {
      return static_cast<std::uint8_t>(rounding::mini_float_code(value, format));
    });
    return y;
  }
  std::ranges::transform(in, y.mutable_data<std::uint16_t>().begin(), [&](float value) {
    return to == DType::f16 ? float_to_half(value) : float_to_bfloat16(value);
  });
  return y;
}

bool is_narrow(DType dtype) {
  return dtype == DType::f16 || dtype == DType::bf16 || is_small(dtype);
}

Tensor cast_to(const OpCall& call, const Tensor& x, DType to) {
  if (x.dtype() == to) return x;
  if (is_narrow(x.dtype())) return cast_to(call, widen(x), to);
  if (is_narrow(to))
    return narrow(cast_to(call, x, DType::f32), to, call.attributes.i("saturate", 1) != 0);
  if (x.dtype() == DType::i4) return cast_to(call, x.reinterpreted(DType::i8), to);
  if (x.dtype() == DType::u4) return cast_to(call, x.reinterpreted(DType::u8), to);
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

/// The zero points of a quantizer, which have the type of its codes. Float codes have none but 0.
std::vector<std::int32_t> zero_points(const OpCall& call, const Tensor& tensor) {
  if (is_float(tensor.dtype())) {
    const Tensor values = is_narrow(tensor.dtype()) ? widen(tensor) : tensor;
    for (const float value : float_values(call, values)) {
      if (value != 0.0f) fail(call, "has a zero point other than 0 for float codes");
    }
    return {};
  }
  const DType type = tensor.dtype() == DType::i4   ? DType::i8
                     : tensor.dtype() == DType::u4 ? DType::u8
                                                   : tensor.dtype();
  std::vector<std::int32_t> values;
  visit_numeric(call, type, [&]<class T>(std::type_identity<T>) {
    for (const T value : tensor.data<T>()) values.push_back(static_cast<std::int32_t>(value));
  });
  return values;
}

/// Scale, zero point and axis of a QuantizeLinear or DequantizeLinear node: per tensor, along an
/// axis, or in blocks of an axis.
QuantParams node_params(const OpCall& call, Inputs inputs, DType codes) {
  const Tensor& x = inputs[0];
  const Tensor& scale = inputs[1];
  QuantParams params;
  params.format.dtype = codes;
  params.format.symmetric = false;
  params.format.narrow_range = false;
  params.scale = float_values(call, scale);
  switch (codes) {
    case DType::i8:
    case DType::u8:
    case DType::i4:
    case DType::u4:
    case DType::i16:
    case DType::u16:
    case DType::i32:
    case DType::f8e4m3fn:
    case DType::f8e5m2:
    case DType::f4e2m1:
      break;
    default:
      refuse(call, "has no kernel for codes of " + std::string(name_of(codes)));
  }
  for (const float value : params.scale) {
    if (!(value > 0.0f) || !std::isfinite(value))
      fail(call, "has a scale that is not a positive number");
  }
  if (has(inputs, 2)) {
    if (inputs[2].size() != scale.size()) fail(call, "has scale and zero point of different sizes");
    params.zero_point = zero_points(call, inputs[2]);
  }
  const auto misfit = [&] {
    fail(call, "has scales " + to_string(scale.shape()) + " for " + to_string(x.shape()));
  };
  const std::int64_t block_size = call.attributes.i("block_size", 0);
  if (block_size < 0) fail(call, "has a negative block_size");
  if (block_size == 0 && scale.size() == 1) return params;
  if (params.scale.empty()) fail(call, "has no scale");
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 1), x.rank());
  params.axis = static_cast<int>(axis);
  if (block_size > 0) {
    Shape expected = x.shape();
    expected[axis] = (expected[axis] + block_size - 1) / block_size;
    if (scale.shape() != expected) misfit();
    params.format.granularity = Granularity::per_block;
    params.format.block_size = block_size;
    return params;
  }
  if (scale.rank() != 1 || scale.dim(0) != x.shape()[axis]) misfit();
  params.format.granularity = Granularity::per_channel;
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

/// x / scale for float codes: the scale of an element is the value of the code of 1.
Tensor scaled_down(const Tensor& x, const QuantParams& params) {
  Tensor ones(params.format.dtype, x.shape(), x.layout());
  std::ranges::fill(ones.mutable_data<std::uint8_t>(),
                    encode_small_float(1.0f, params.format.dtype));
  Tensor y = dequantize(ones, params);
  std::ranges::transform(x.data<float>(), y.data<float>(), y.mutable_data<float>().begin(),
                         [](float value, float scale) { return value / scale; });
  return y;
}
}  // namespace

Tensors quantize_linear(const OpCall& call, Inputs inputs) {
  DType codes = DType::u8;
  if (has(inputs, 2))
    codes = inputs[2].dtype();
  else if (call.attributes.i("output_dtype", 0) != 0)
    codes = element_type(call, call.attributes.i("output_dtype", 0));
  if (codes == DType::i32) refuse(call, "has no kernel for codes of int32");
  const QuantParams params = node_params(call, inputs, codes);
  const Tensor x = suited(
      inputs[0].dtype() == DType::i32 ? cast_to(call, inputs[0], DType::f32) : inputs[0], params);
  require_f32(call, x);
  if (is_small(codes) && call.attributes.i("saturate", 1) == 0) {
    return {narrow(scaled_down(x, params), codes, /*saturates=*/false)};
  }
  return {quantize(x, params)};
}

Tensors dequantize_linear(const OpCall& call, Inputs inputs) {
  const QuantParams params = node_params(call, inputs, inputs[0].dtype());
  Tensor y = dequantize(suited(inputs[0], params), params);
  // A result of half width is rounded to it; it stays float32 like every value of such a model.
  const std::int64_t type = call.attributes.i("output_dtype", 0);
  if (type == 0) return {std::move(y)};
  const DType to = element_type(call, type);
  return {to == DType::f16 || to == DType::bf16 ? widen(narrow(y, to, false)) : std::move(y)};
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
