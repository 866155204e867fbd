#include "src/quant/format.h"

#include <array>
#include <charconv>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

constexpr Format kE4M3{.dtype = DType::f8e4m3fn};
constexpr Format kInt8{.dtype = DType::i8};
constexpr Format kUint8{.dtype = DType::u8, .symmetric = false, .narrow_range = false};
constexpr Format kInt4{.dtype = DType::i4};
constexpr Format kUint4{.dtype = DType::u4, .symmetric = false, .narrow_range = false};

constexpr Format blocks(DType dtype, std::int64_t size, ScaleFormat scale) {
  return {
      .dtype = dtype, .granularity = Granularity::per_block, .scale = scale, .block_size = size};
}

constexpr std::string_view kIntegerUnits = "INT8 units: x86 with VNNI, Arm with dot product, GPUs";
constexpr std::string_view kFp8Units = "FP8 units: Hopper, Ada or newer";
constexpr std::string_view kBlackwell = "Blackwell";
constexpr std::string_view kDequantize = "nothing: weights are widened before use";

// Where one text stands twice, the first is what it says without defaults.
constexpr std::array kOperands = {
    OperandFormat{"4", kInt4, "INT4, symmetric", kDequantize, true, false},
    OperandFormat{"4", kUint4, "4-bit integer; sign and symmetry as the job says", "INT4 units",
                  false, true},
    OperandFormat{"4S", kInt4, "INT4, symmetric", "INT4 units", false, true},
    OperandFormat{"4U", kUint4, "UINT4 with zero point", "INT4 units"},
    OperandFormat{"8", kInt8, "INT8, symmetric", kIntegerUnits, true, false},
    OperandFormat{"8", kUint8, "8-bit integer; sign and symmetry as the job says", kIntegerUnits,
                  false, true},
    OperandFormat{"8S", kInt8, "INT8, symmetric", kIntegerUnits, false, true},
    OperandFormat{"8U", kUint8, "UINT8 with zero point", kIntegerUnits},
    OperandFormat{"8F", kE4M3, "FP8 E4M3", kFp8Units},
    OperandFormat{
        "8E5M2", {.dtype = DType::f8e5m2}, "FP8 E5M2: more range, less precision", kFp8Units},
    OperandFormat{"8MX", blocks(DType::f8e4m3fn, 32, ScaleFormat::e8m0),
                  "MXFP8: E4M3 in blocks of 32 with power-of-two scales", kBlackwell},
    OperandFormat{
        "4F", {.dtype = DType::f4e2m1}, "FP4 E2M1 with float32 scales", kDequantize, true, false},
    OperandFormat{"4NV", blocks(DType::f4e2m1, 16, ScaleFormat::e4m3),
                  "NVFP4: E2M1 in blocks of 16 with E4M3 scales and a float32 scale of the tensor",
                  kBlackwell},
    OperandFormat{"4MX", blocks(DType::f4e2m1, 32, ScaleFormat::e8m0),
                  "MXFP4: E2M1 in blocks of 32 with power-of-two scales", kBlackwell},
    OperandFormat{"16B", {.dtype = DType::bf16}, "BF16", "BF16 units"},
    OperandFormat{"16", {.dtype = DType::f16}, "FP16", "FP16 units", true, false},
    OperandFormat{"16", {}, "left in the device's 16-bit float", "nothing", false, true},
};

/// Precisions with names of their own.
struct NamedPrecision {
  std::string_view name, weight, activation;
};
constexpr std::array kNamed = {
    NamedPrecision{"BF16", "16B", "16B"}, NamedPrecision{"NVFP4", "4NV", "4NV"},
    NamedPrecision{"MXFP4", "4MX", "4MX"}, NamedPrecision{"MXFP8", "8MX", "8MX"}};

const OperandFormat* find(bool weight, std::string_view text) {
  for (const OperandFormat& o : kOperands) {
    if ((weight ? o.of_weights : o.of_activations) && o.text == text) return &o;
  }
  return nullptr;
}

/// The text of an operand whose integer options are those of the table.
std::string_view text_of(bool weight, const Format& format) {
  std::string_view text;
  for (const OperandFormat& o : kOperands) {
    const bool same =
        o.format.dtype == format.dtype && o.format.scale == format.scale &&
        (o.format.scale == ScaleFormat::f32 || o.format.block_size == format.block_size) &&
        (weight || !is_integer(format.dtype) || o.format.symmetric == format.symmetric);
    // Later entries of activations say sign and symmetry.
    if (same && (weight ? o.of_weights : o.of_activations)) text = o.text;
  }
  if (text.empty()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("no precision has {} {} in this form", name_of(format.dtype),
                            weight ? "weights" : "activations"));
  }
  return text;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

/// `tensor` (`per_layer`), `channel` (`per_channel`) or `gN`. @return false when it is none of them
bool set_granularity(std::string_view suffix, Format& weight) {
  if (suffix == "TENSOR" || suffix == "PER_LAYER") {
    weight.granularity = Granularity::per_tensor;
    return true;
  }
  if (suffix == "CHANNEL" || suffix == "PER_CHANNEL") {
    weight.granularity = Granularity::per_channel;
    return true;
  }
  if (suffix.size() < 2 || suffix[0] != 'G') return false;
  std::int64_t size = 0;
  const char* end = suffix.data() + suffix.size();
  const auto [at, status] = std::from_chars(suffix.data() + 1, end, size);
  if (status != std::errc{} || at != end || size < 1) return false;
  weight.granularity = Granularity::per_block;
  weight.block_size = size;
  return true;
}

std::string suffix_of(const Format& weight) {
  switch (weight.granularity) {
    case Granularity::per_tensor:
      return ":tensor";
    case Granularity::per_channel:
      return ":channel";
    case Granularity::per_block:
      return fmt::format(":g{}", weight.block_size);
  }
  return {};
}

[[noreturn]] void fail(std::string_view name) {
  throw Error(ErrorCode::config, fmt::format("unknown precision '{}'", name), {},
              did_you_mean(upper(name), known_precisions()));
}

}  // namespace

bool has_scale(const Format& format) {
  return format.dtype != DType::f32 && format.dtype != DType::f16 && format.dtype != DType::bf16;
}

bool needs_range(const Format& activation) {
  return has_scale(activation) && activation.scale != ScaleFormat::e8m0;
}

CodeRange code_range(const Format& format) {
  std::int32_t bits = 0;
  bool is_signed = true;
  switch (format.dtype) {
    case DType::i4:
      bits = 4;
      break;
    case DType::u4:
      bits = 4;
      is_signed = false;
      break;
    case DType::i8:
      bits = 8;
      break;
    case DType::u8:
      bits = 8;
      is_signed = false;
      break;
    case DType::i16:
      bits = 16;
      break;
    case DType::u16:
      bits = 16;
      is_signed = false;
      break;
    default:
      throw Error(ErrorCode::internal,
                  fmt::format("{} has no integer codes", name_of(format.dtype)));
  }
  if (format.reduce_range) --bits;
  if (!is_signed) return {0, (1 << bits) - 1};
  const std::int32_t highest = (1 << (bits - 1)) - 1;
  return {format.symmetric && format.narrow_range ? -highest : -highest - 1, highest};
}

bool is_integer_arithmetic(const Precision& precision) {
  const auto small_integer = [](const Format& f) {
    return is_integer(f.dtype) && stored_bits(f.dtype) <= 8;
  };
  return small_integer(precision.weight) && small_integer(precision.activation);
}

int weight_bits(const Precision& precision) {
  return stored_bits(precision.weight.dtype);
}
int activation_bits(const Precision& precision) {
  // A16 leaves activations to the device's 16-bit float; FP32 keeps 32.
  if (precision.activation.is_quantized()) return stored_bits(precision.activation.dtype);
  return precision.weight.is_quantized() ? 16 : 32;
}

std::span<const OperandFormat> operand_formats() {
  return kOperands;
}

const std::vector<std::string>& known_precisions() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = {"FP32", "FP16"};
    for (const NamedPrecision& n : kNamed) all.emplace_back(n.name);
    for (const char* w : {"4", "8", "8F", "16"}) {
      for (const char* a : {"8", "8F", "16"}) all.push_back(fmt::format("W{}A{}", w, a));
    }
    return all;
  }();
  return names;
}

std::string spell_precision(const Format& weight, const Format& activation) {
  if (!weight.is_quantized() && !activation.is_quantized()) return "FP32";
  if (weight.dtype == DType::f16 && activation.dtype == DType::f16) return "FP16";
  const bool open = has_scale(weight) && weight.scale == ScaleFormat::f32;
  return fmt::format("W{}A{}{}", text_of(true, weight), text_of(false, activation),
                     open ? suffix_of(weight) : "");
}

namespace {

Format weight_format(const OperandFormat& named, const QuantDefaults& defaults) {
  Format f = named.format;
  if (!has_scale(f) || f.scale != ScaleFormat::f32) return f;
  f.granularity = defaults.weight_granularity;
  if (f.dtype == DType::i4 || f.dtype == DType::i8) f.symmetric = defaults.weight_symmetric;
  f.narrow_range = f.symmetric && defaults.weight_narrow_range;
  f.reduce_range = defaults.weight_reduce_range && stored_bits(f.dtype) == 8 && is_integer(f.dtype);
  return f;
}

/// What `4` and `8` mean for activations.
Format default_integer(int bits, const QuantDefaults& defaults) {
  Format f;
  const bool is_signed = defaults.activation_int8 == DType::i8;
  f.dtype = bits == 8 ? (is_signed ? DType::i8 : DType::u8) : (is_signed ? DType::i4 : DType::u4);
  f.symmetric = defaults.activation_symmetric;
  f.narrow_range = f.symmetric && is_signed && defaults.activation_narrow_range;
  return f;
}

}  // namespace

Precision parse_precision(std::string_view name, const QuantDefaults& defaults) {
  const std::string text = upper(trim(name));
  if (text == "FP32") return {.name = "FP32", .weight = {}, .activation = {}};
  if (text == "FP16") return {"FP16", {.dtype = DType::f16}, {.dtype = DType::f16}};
  const std::size_t colon = text.find(':');
  const std::string_view base = std::string_view(text).substr(0, colon);
  std::string_view weight_text, activation_text;
  for (const NamedPrecision& n : kNamed) {
    if (n.name == base) weight_text = n.weight, activation_text = n.activation;
  }
  if (weight_text.empty()) {
    const std::size_t a = base.find('A');
    if (base.empty() || base[0] != 'W' || a == std::string_view::npos) fail(name);
    weight_text = base.substr(1, a - 1);
    activation_text = base.substr(a + 1);
  }
  const OperandFormat* weight = find(true, weight_text);
  const OperandFormat* activation = find(false, activation_text);
  if (weight == nullptr || activation == nullptr) fail(name);
  if (defaults.weight_unsigned && weight_text == "8") weight = find(true, "8U");
  if (defaults.weight_unsigned && weight_text == "8U") weight_text = "8";

  Precision p;
  p.weight = weight_format(*weight, defaults);
  p.activation = activation->format;
  if (is_integer(p.activation.dtype)) {
    const Format as_said = default_integer(stored_bits(p.activation.dtype), defaults);
    const std::string_view plain = activation_text.substr(0, 1);
    if (activation_text == plain) p.activation = as_said;
    if (p.activation == as_said) activation_text = plain;
  }
  p.name = fmt::format("W{}A{}", weight_text, activation_text);
  for (const NamedPrecision& n : kNamed) {
    if (n.weight == weight_text && n.activation == activation_text) p.name = n.name;
  }
  if (colon == std::string::npos) return p;
  if (!has_scale(p.weight) || p.weight.scale != ScaleFormat::f32) {
    const std::string reason = has_scale(p.weight)
                                   ? fmt::format("blocks of {}", p.weight.block_size)
                               : p.weight.dtype == DType::f16 ? "FP16 weights have none"
                                                              : "BF16 weights have none";
    throw Error(ErrorCode::config,
                fmt::format("'{}' says how weights share scales, and {}{}", name,
                            has_scale(p.weight) ? "this format has " : "", reason),
                {}, fmt::format("Write {}", base));
  }
  if (!set_granularity(text.substr(colon + 1), p.weight)) fail(name);
  if (p.weight.granularity != defaults.weight_granularity) p.name += suffix_of(p.weight);
  return p;
}

}  // namespace qsweep
