#include "src/quant/affine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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

/// Blocks of values as they come: rows of the blocked axis, each element next to the one before.
Tensor fake_quantize_blocks(const Tensor& x, const QuantParams& p) {
  const int axis = p.axis < 0 ? x.rank() + p.axis : p.axis;
  QSWEEP_CHECK(axis >= 0 && (axis == x.rank() - 1 || axis == 1) && p.format.block_size > 0);
  const Tensor in = x.to_layout(axis == x.rank() - 1 ? Layout::row_major : Layout::channels_last);
  Tensor out(DType::f32, in.shape(), in.layout());
  const auto length = static_cast<std::size_t>(in.dim(axis));
  const auto block = static_cast<std::size_t>(p.format.block_size);
  const auto total = static_cast<std::size_t>(in.size());
  const float* from = in.data<float>().data();
  float* to = out.mutable_data<float>().data();
  const rounding::MiniFloat& format = mini_float(p.format.dtype);
  for (std::size_t row = 0; row < total; row += length) {
    for (std::size_t k = 0; k < length; k += block) {
      const std::size_t at = row + k, n = std::min(block, length - k);
      const rounding::Extremes e = rounding::extremes(from + at, n);
      if (!e.finite) {
        std::fill_n(to + at, n, std::numeric_limits<float>::quiet_NaN());
        continue;
      }
      const float scale = block_scale(std::max(-e.min, e.max), p.format, p.tensor_scale);
      rounding::mini_float_fake(from + at, to + at, n, format, scale);
    }
  }
  return out;
}

constexpr float kLargestE4M3 = rounding::kE4M3FN.largest;
constexpr float kLeastE4M3 = 0x1p-9f;  // its smallest subnormal

}  // namespace

float block_scale(float amax, const Format& format, float tensor_scale) {
  if (amax == 0.0f) return 1.0f;
  const float largest = mini_float(format.dtype).largest;
  if (format.scale == ScaleFormat::e8m0)
    return std::ldexp(1.0f, std::clamp(std::ilogb(amax) - std::ilogb(largest), -127, 127));
  QSWEEP_CHECK(format.scale == ScaleFormat::e4m3);
  const float wanted = amax / (largest * tensor_scale);
  const float stored =
      decode_small_float(encode_small_float(wanted, DType::f8e4m3fn), DType::f8e4m3fn);
  return std::max(stored, kLeastE4M3) * tensor_scale;
}

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
  if (format.scale != ScaleFormat::f32) {
    if (format.scale == ScaleFormat::e4m3)
      p.tensor_scale = positive(amax / (mini_float(format.dtype).largest * kLargestE4M3));
    return p;
  }
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
  const auto encode = [&](auto* out) {
    for_each_slice_part(x, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
      rounding::affine_codes(in + at, out + at, n, slices[slice]);
    });
  };
  if (element_bytes(q.dtype()) == 2)
    encode(q.mutable_data<std::int16_t>().data());
  else
    encode(q.mutable_data<std::int8_t>().data());
  return q;
}

Tensor dequantize(const Tensor& codes, const QuantParams& params) {
  QSWEEP_CHECK(codes.dtype() == params.format.dtype);
  Tensor x(DType::f32, codes.shape(), codes.layout());
  float* out = x.mutable_data<float>().data();
  if (is_float(codes.dtype())) {
    // A code is one byte, so what it stands for at scale 1 is a table.
    std::array<float, 256> values{};
    for (std::size_t c = 0; c < values.size(); ++c)
      values[c] = decode_small_float(static_cast<std::uint8_t>(c), codes.dtype());
    const auto in = codes.data<std::uint8_t>();
    for_each_slice_part(codes, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
      const float scale = params.scale[slice];
      for (std::size_t i = at; i < at + n; ++i) out[i] = values[in[i]] * scale;
    });
    return x;
  }
  const auto decode = [&](const auto* in) {
    for_each_slice_part(codes, params, [&](std::size_t at, std::size_t n, std::size_t slice) {
      const std::int32_t zero = params.zero_point.empty() ? 0 : params.zero_point[slice];
      rounding::affine_values(in + at, out + at, n, static_cast<float>(zero), params.scale[slice]);
    });
  };
  switch (codes.dtype()) {
    case DType::i32:
      decode(codes.data<std::int32_t>().data());
      break;
    case DType::i16:
      decode(codes.data<std::int16_t>().data());
      break;
    case DType::u16:
      decode(codes.data<std::uint16_t>().data());
      break;
    default:
      if (code_range(params.format).lowest < 0)
        decode(codes.data<std::int8_t>().data());
      else
        decode(codes.data<std::uint8_t>().data());
  }
  return x;
}

Tensor fake_quantize(const Tensor& x, const QuantParams& params) {
  const DType dtype = params.format.dtype;
  if (dtype == DType::f32) return x;
  if (params.scale.empty() && params.format.granularity == Granularity::per_block)
    return fake_quantize_blocks(x, params);
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
