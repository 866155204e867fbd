#include "src/quant/affine.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "src/quant/detail/runs.h"
#include "src/quant/float_codes.h"
#include "src/quant/rounding.h"

namespace qsweep {
namespace {

const rounding::MiniFloat& mini_float(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return rounding::kE4M3FN;
    case DType::f8e5m2:
      return rounding::kE5M2;
    case DType::f4e2m1:
      return rounding::kE2M1;
    default:
      throw Error(ErrorCode::internal, fmt::format("{} has no scale", name_of(dtype)));
  }
}

/// How the tensor is cut into slices, checked against the parameters.
detail::Cut cut_of(const Tensor& t, const QuantParams& p) {
  QSWEEP_CHECK(p.format.granularity == Granularity::per_tensor || t.layout() == Layout::row_major);
  const detail::Cut cut(t.shape(), p.format, p.axis);
  QSWEEP_CHECK(p.scale.size() == cut.slices());
  QSWEEP_CHECK(p.zero_point.empty() || p.zero_point.size() == p.scale.size());
  return cut;
}

/// Calls f(offset, count, slice) for consecutive elements of one slice, covering the tensor in
/// order.
template <class F>
void for_each_slice_part(const Tensor& t, const QuantParams& p, F&& f) {
  detail::for_each_run(cut_of(t, p), [&](const detail::Run& run) {
    if (run.stride == 0) return f(run.at, run.count, run.slice);
    for (std::size_t i = 0; i < run.count; ++i) f(run.at + i, std::size_t{1}, run.slice + i);
  });
}

std::vector<rounding::Affine> affine_of(const QuantParams& p) {
  QSWEEP_CHECK(p.zero_point.empty() || p.zero_point.size() == p.scale.size());
  const CodeRange range = code_range(p.format);
  std::vector<rounding::Affine> slices;
  slices.reserve(p.scale.size());
  for (std::size_t s = 0; s < p.scale.size(); ++s) {
    const std::int32_t zero = p.zero_point.empty() ? 0 : p.zero_point[s];
    slices.push_back({p.scale[s], static_cast<float>(range.lowest - zero),
                      static_cast<float>(range.highest - zero), zero});
  }
  return slices;
}

}  // namespace

QuantParams params_from_range(float min, float max, const Format& format) {
  if (!std::isfinite(min) || !std::isfinite(max))
    throw Error(ErrorCode::numeric, fmt::format("a range [{}, {}] is not finite", min, max));
  QuantParams p;
  p.format = format;
  if (!has_scale(format)) return p;
  min = std::min(min, 0.0f);
  max = std::max(max, 0.0f);
  const float amax = std::max(-min, max);
  const auto positive = [](float scale) { return scale > 0.0f ? scale : 1.0f; };
  if (is_float(format.dtype)) {
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
  const auto steps = static_cast<float>(range.highest - range.lowest);
  const float width = max - min;
  // A width over the largest float is divided in two parts.
  const float scale = positive(std::isfinite(width) ? width / steps : max / steps - min / steps);
  const float zero = std::rint(static_cast<float>(range.lowest) - min / scale);
  p.scale = {scale};
  p.zero_point = {static_cast<std::int32_t>(
      std::clamp(zero, static_cast<float>(range.lowest), static_cast<float>(range.highest)))};
  return p;
}

Tensor quantize(const Tensor& x, const QuantParams& params) {
  Tensor q(params.format.dtype, x.shape(), x.layout());
  const float* in = x.data<float>().data();
  if (is_float(params.format.dtype)) {
    const rounding::MiniFloat& format = mini_float(params.format.dtype);
    auto* out = q.mutable_data<std::uint8_t>().data();
    for_each_slice_part(x, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
      rounding::mini_float_codes(in + at, out + at, n, format, params.scale[slice]);
    });
    return q;
  }
  const std::vector<rounding::Affine> slices = affine_of(params);
  auto* out = q.mutable_data<std::int8_t>().data();
  for_each_slice_part(x, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
    rounding::affine_codes(in + at, out + at, n, slices[slice]);
  });
  return q;
}

Tensor dequantize(const Tensor& codes, const QuantParams& params) {
  QSWEEP_CHECK(codes.dtype() == params.format.dtype && element_bytes(codes.dtype()) == 1);
  // A code is one byte, so what it stands for at scale 1 is a table; integers there are exact.
  std::array<float, 256> values{};
  const bool is_small_float = is_float(codes.dtype());
  const bool is_signed = !is_small_float && code_range(params.format).lowest < 0;
  for (std::size_t c = 0; c < values.size(); ++c) {
    const auto code = static_cast<std::uint8_t>(c);
    values[c] = is_small_float ? decode_small_float(code, codes.dtype())
                : is_signed    ? static_cast<float>(static_cast<std::int8_t>(code))
                               : static_cast<float>(code);
  }
  Tensor x(DType::f32, codes.shape(), codes.layout());
  float* out = x.mutable_data<float>().data();
  const auto in = codes.data<std::uint8_t>();
  for_each_slice_part(codes, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
    const float zero =
        params.zero_point.empty() ? 0.0f : static_cast<float>(params.zero_point[slice]);
    const float scale = params.scale[slice];
    for (std::size_t i = at; i < at + n; ++i) out[i] = (values[in[i]] - zero) * scale;
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
  } else if (is_float(dtype)) {
    const rounding::MiniFloat& format = mini_float(dtype);
    for_each_slice_part(x, params, [&](std::size_t at, std::size_t count, std::size_t slice) {
      rounding::mini_float_fake(in + at, out + at, count, format, params.scale[slice]);
    });
  } else {
    const std::vector<rounding::Affine> slices = affine_of(params);
    for_each_slice_part(x, params, [&](std::size_t at, std::size_t count, std::size_t slice) {
      rounding::affine_fake(in + at, out + at, count, slices[slice]);
    });
  }
  return y;
}

}  // namespace qsweep
