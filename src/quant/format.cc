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

/// An operand as a precision name spells it: what follows W or A.
struct OperandName {
  std::string_view text;
  DType dtype;
};
constexpr std::array kWeightNames = {OperandName{"4", DType::i4}, OperandName{"8", DType::i8},
                                     OperandName{"8F", DType::f8e4m3fn},
                                     OperandName{"16", DType::f16}};
constexpr std::array kActivationNames = {
    OperandName{"8", DType::u8}, OperandName{"8F", DType::f8e4m3fn}, OperandName{"16", DType::f32}};

std::optional<DType> find(std::span<const OperandName> names, std::string_view text) {
  for (const OperandName& n : names) {
    if (n.text == text) return n.dtype;
  }
  return std::nullopt;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

Format whole_tensor(DType dtype) {
  return {.dtype = dtype};
}

/// `tensor`, `channel` or `gN`. @return false when it is none of them
bool set_granularity(std::string_view suffix, Format& weight) {
  if (suffix == "TENSOR") {
    weight.granularity = Granularity::per_tensor;
    return true;
  }
  if (suffix == "CHANNEL") {
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

const std::vector<std::string>& known_precisions() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = {"FP32", "FP16", "BF16"};
    for (const OperandName& w : kWeightNames) {
      for (const OperandName& a : kActivationNames)
        all.push_back(fmt::format("W{}A{}", w.text, a.text));
    }
    return all;
  }();
  return names;
}

Precision parse_precision(std::string_view name, const QuantDefaults& defaults) {
  const std::string text = upper(trim(name));
  if (text == "FP32") return {.name = "FP32", .weight = {}, .activation = {}};
  if (text == "FP16") return {"FP16", whole_tensor(DType::f16), whole_tensor(DType::f16)};
  if (text == "BF16") return {"BF16", whole_tensor(DType::bf16), whole_tensor(DType::bf16)};
  const std::size_t colon = text.find(':');
  const std::string_view base = std::string_view(text).substr(0, colon);
  const std::size_t a = base.find('A');
  if (base.empty() || base[0] != 'W' || a == std::string_view::npos) fail(name);
  const auto weight = find(kWeightNames, base.substr(1, a - 1));
  const auto activation = find(kActivationNames, base.substr(a + 1));
  if (!weight || !activation) fail(name);

  Precision p;
  p.name = std::string(base);
  p.weight.dtype = *weight;
  if (*weight != DType::f16) {
    p.weight.granularity = defaults.weight_granularity;
    p.weight.symmetric = defaults.weight_symmetric || !is_integer(*weight);
    p.weight.narrow_range = defaults.weight_narrow_range;
    p.weight.reduce_range = defaults.weight_reduce_range && *weight == DType::i8;
    if (!p.weight.symmetric) p.weight.narrow_range = false;
  }
  p.activation.dtype = *activation == DType::u8 ? defaults.activation_int8 : *activation;
  p.activation.symmetric = !is_integer(p.activation.dtype) || defaults.activation_symmetric;
  p.activation.narrow_range = p.activation.symmetric && p.activation.dtype == DType::i8;
  if (colon == std::string::npos) return p;
  if (!has_scale(p.weight)) {
    throw Error(ErrorCode::config,
                fmt::format("'{}' says how weights share scales, and FP16 weights have none", name),
                {}, fmt::format("Write {}", base));
  }
  if (!set_granularity(text.substr(colon + 1), p.weight)) fail(name);
  if (p.weight.granularity != defaults.weight_granularity) p.name += suffix_of(p.weight);
  return p;
}

}  // namespace qsweep
