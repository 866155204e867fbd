#include "src/quant/rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

using Bits = std::vector<int>;

std::string text_of(const Bits& bits) {
  return bits.size() == 1 ? std::to_string(bits[0]) : fmt::format("[{}]", fmt::join(bits, ", "));
}

DType dtype_of(const QuantizerAttributes& a) {
  const auto integer = [&](DType is_signed, DType is_unsigned) {
    return a.is_unsigned ? is_unsigned : is_signed;
  };
  if (a.num_bits == Bits{4}) return integer(DType::i4, DType::u4);
  if (a.num_bits == Bits{8}) return integer(DType::i8, DType::u8);
  if (a.num_bits == Bits{16}) return DType::f16;
  if (a.num_bits == Bits{4, 3}) return DType::f8e4m3fn;
  if (a.num_bits == Bits{5, 2}) return DType::f8e5m2;
  if (a.num_bits == Bits{2, 1}) return DType::f4e2m1;
  throw Error(ErrorCode::unsupported, fmt::format("num_bits {} has no format", text_of(a.num_bits)),
              {}, "Use 4, 8, 16, [4, 3], [5, 2] or [2, 1]");
}

Bits bits_of(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return {4, 3};
    case DType::f8e5m2:
      return {5, 2};
    case DType::f4e2m1:
      return {2, 1};
    default:
      return {stored_bits(dtype)};
  }
}

ScaleFormat scale_format(const Bits& bits) {
  if (bits.empty()) return ScaleFormat::f32;
  if (bits == Bits{4, 3}) return ScaleFormat::e4m3;
  if (bits == Bits{8, 0}) return ScaleFormat::e8m0;
  throw Error(ErrorCode::unsupported, fmt::format("scale_bits {} has no format", text_of(bits)), {},
              "Use [4, 3] (NVFP4) or [8, 0] (MX), or leave it out for float32 scales");
}

}  // namespace

Format to_format(const QuantizerAttributes& a) {
  if (!a.enable) return {};
  Format f;
  f.dtype = dtype_of(a);
  if (is_integer(f.dtype) && a.is_unsigned) f.symmetric = f.narrow_range = false;
  f.scale = scale_format(a.scale_bits);
  if (a.block_size > 0 && a.axis) {
    throw Error(ErrorCode::unsupported, "a quantizer has both 'axis' and 'block_sizes'", {},
                "A block lies within one channel already: leave 'axis' out");
  }
  if (a.axis && *a.axis != 0) {
    throw Error(ErrorCode::unsupported, fmt::format("axis {} is not served", *a.axis), {},
                "Use 0 (a scale per output channel of a weight) or null (per tensor)");
  }
  if (f.scale != ScaleFormat::f32 && a.block_size == 0)
    throw Error(ErrorCode::unsupported, "'scale_bits' belong to 'block_sizes'");
  if (a.block_size > 0) {
    f.granularity = Granularity::per_block;
    f.block_size = a.block_size;
  } else if (a.axis) {
    f.granularity = Granularity::per_channel;
  }
  return f;
}

std::string attributes_json(const Format& f) {
  if (!f.is_quantized()) return R"({"enable": false})";
  std::string text = fmt::format(R"({{"num_bits": {})", text_of(bits_of(f.dtype)));
  if (f.granularity == Granularity::per_block) {
    text += fmt::format(R"(, "block_sizes": {{"-1": {})", f.block_size);
    if (f.scale == ScaleFormat::e4m3) text += R"(, "scale_bits": [4, 3])";
    if (f.scale == ScaleFormat::e8m0) text += R"(, "scale_bits": [8, 0])";
    text += "}";
  } else if (has_scale(f)) {
    text += f.granularity == Granularity::per_channel ? R"(, "axis": 0)" : R"(, "axis": null)";
  }
  if (f.dtype == DType::u8 || f.dtype == DType::u4) text += R"(, "unsigned": true)";
  return text + "}";
}

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string to_json(const QuantRule& rule) {
  return json_string(rule.selector) + ": " + attributes_json(rule.format);
}

}  // namespace qsweep
