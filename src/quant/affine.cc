#include "src/quant/affine.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "src/quant/float_codes.h"
#include "src/quant/rounding.h"

namespace qsweep {
namespace {

bool is_small_float(DType dtype) {
  return dtype == DType::f8e4m3fn || dtype == DType::f8e5m2 || dtype == DType::f4e2m1;
}

const rounding::MiniFloat& mini_float(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return rounding::kE4M3FN;
    case DType::f8e5m2:
      return rounding::kE5M2;
    case DType::f4e2m1:
      return rounding::kE2M1;
    default:
      return rounding::kHalf;
  }
}

rounding::Affine affine_of(const QuantParams& p, std::size_t slice) {
  const CodeRange range = code_range(p.format);
  const std::int32_t zero = p.zero_point.empty() ? 0 : p.zero_point[slice];
  return {p.scale[slice], static_cast<float>(range.lowest - zero),
          static_cast<float>(range.highest - zero), zero};
}

/// Calls f(offset, count, slice) for runs of elements that share a scale, covering the tensor in
/// order.
template <class F>
void for_each_run(const Tensor& t, const QuantParams& p, F&& f) {
  if (p.format.granularity == Granularity::per_tensor) {
    if (!p.scale.empty()) QSWEEP_CHECK(p.scale.size() == 1);
    f(std::size_t{0}, static_cast<std::size_t>(t.size()), std::size_t{0});
    return;
  }
  QSWEEP_CHECK(t.layout() == Layout::row_major && p.axis >= 0 && p.axis < t.rank());
  std::size_t outer = 1, inner = 1;
  for (int i = 0; i < t.rank(); ++i) {
    if (i < p.axis) outer *= static_cast<std::size_t>(t.dim(i));
    if (i > p.axis) inner *= static_cast<std::size_t>(t.dim(i));
  }
  const auto extent = static_cast<std::size_t>(t.dim(p.axis));
  if (p.format.granularity == Granularity::per_channel) {
    QSWEEP_CHECK(p.scale.size() == extent);
    for (std::size_t o = 0; o < outer; ++o) {
      for (std::size_t c = 0; c < extent; ++c) f((o * extent + c) * inner, inner, c);
    }
    return;
  }
  const auto block = static_cast<std::size_t>(p.format.block_size);
  const std::size_t blocks = (extent + block - 1) / block;
  QSWEEP_CHECK(p.scale.size() == outer * blocks * inner);
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t k = 0; k < extent; ++k) {
      for (std::size_t i = 0; i < inner; ++i)
        f((o * extent + k) * inner + i, std::size_t{1}, (o * blocks + k / block) * inner + i);
    }
  }
}

}  // namespace

QuantParams params_from_range(float min, float max, const Format& format) {
  if (!std::isfinite(min) || !std::isfinite(max))
    throw Error(ErrorCode::numeric, fmt::format("a range [{}, {}] is not finite", min, max));
  QuantParams p;
  p.format = format;
  if (format.dtype == DType::f32 || format.dtype == DType::f16 || format.dtype == DType::bf16)
    return p;
  min = std::min(min, 0.0f);
  max = std::max(max, 0.0f);
  const float amax = std::max(-min, max);
  const auto positive = [](float scale) { return scale > 0.0f ? scale : 1.0f; };
  if (is_small_float(format.dtype)) {
    p.scale = {positive(amax / mini_float(format.dtype).largest)};
    return p;
  }
  const CodeRange range = code_range(format);
  if (format.symmetric) {
    // Unsigned symmetric formats put zero in the middle of their codes.
    const std::int32_t zero = range.lowest < 0 ? 0 : (range.highest + 1) / 2;
    p.scale = {positive(amax / static_cast<float>(range.highest - zero))};
    if (zero != 0) p.zero_point = {zero};
    return p;
  }
  const float scale = positive((max - min) / static_cast<float>(range.highest - range.lowest));
  const float zero = std::rint(static_cast<float>(range.lowest) - min / scale);
  p.scale = {scale};
  p.zero_point = {static_cast<std::int32_t>(
      std::clamp(zero, static_cast<float>(range.lowest), static_cast<float>(range.highest)))};
  return p;
}

Tensor quantize(const Tensor& x, const QuantParams& params) {
  Tensor q(params.format.dtype, x.shape(), x.layout());
  const float* in = x.data<float>().data();
  if (is_small_float(params.format.dtype)) {
    auto* out = q.mutable_data<std::uint8_t>().data();
    for_each_run(x, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
      for (std::size_t i = at; i < at + n; ++i)
        out[i] = encode_small_float(in[i] / params.scale[slice], params.format.dtype);
    });
    return q;
  }
  auto* out = q.mutable_data<std::int8_t>().data();
  for_each_run(x, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
    rounding::affine_codes(in + at, out + at, n, affine_of(params, slice));
  });
  return q;
}

Tensor dequantize(const Tensor& codes, const QuantParams& params) {
  Tensor x(DType::f32, codes.shape(), codes.layout());
  float* out = x.mutable_data<float>().data();
  const auto* raw = static_cast<const std::uint8_t*>(codes.raw());
  if (is_small_float(params.format.dtype)) {
    std::array<float, 256> values{};
    for (std::size_t c = 0; c < values.size(); ++c)
      values[c] = decode_small_float(static_cast<std::uint8_t>(c), params.format.dtype);
    for_each_run(codes, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
      for (std::size_t i = at; i < at + n; ++i) out[i] = values[raw[i]] * params.scale[slice];
    });
    return x;
  }
  const bool is_signed = code_range(params.format).lowest < 0;
  for_each_run(codes, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
    const std::int32_t zero = params.zero_point.empty() ? 0 : params.zero_point[slice];
    const float scale = params.scale[slice];
    for (std::size_t i = at; i < at + n; ++i) {
      const std::int32_t code = is_signed ? static_cast<std::int8_t>(raw[i]) : raw[i];
      out[i] = static_cast<float>(code - zero) * scale;
    }
  });
  return x;
}

Tensor fake_quantize(const Tensor& x, const QuantParams& params) {
  const DType dtype = params.format.dtype;
  if (dtype == DType::f32) return x;
  Tensor y(DType::f32, x.shape(), x.layout());
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  const auto n = static_cast<std::size_t>(x.size());
  if (dtype == DType::f16) {
    rounding::mini_float_fake(in, out, n, rounding::kHalf, 1.0f);
  } else if (dtype == DType::bf16) {
    rounding::bfloat16_fake(in, out, n);
  } else if (is_small_float(dtype)) {
    for_each_run(x, params, [&](std::size_t at, std::size_t count, std::size_t slice) {
      rounding::mini_float_fake(in + at, out + at, count, mini_float(dtype), params.scale[slice]);
    });
  } else {
    for_each_run(x, params, [&](std::size_t at, std::size_t count, std::size_t slice) {
      rounding::affine_fake(in + at, out + at, count, affine_of(params, slice));
    });
  }
  return y;
}

}  // namespace qsweep
