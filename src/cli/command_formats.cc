#include <cmath>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/quant/affine.h"
#include "src/quant/float_codes.h"
#include "src/quant/format.h"

#include "src/cli/command.h"
#include "src/cli/table.h"
#include "src/exec/measure.h"

#include "io/json/json.h"

namespace qsweep {
namespace {

struct Range {
  double lowest = 0.0, highest = 0.0;
};

/// Largest finite values of the format's codes, before any scale.
Range range_of(const Format& f) {
  if (is_integer(f.dtype)) {
    const CodeRange codes = code_range(f);
    return {static_cast<double>(codes.lowest), static_cast<double>(codes.highest)};
  }
  double largest = 0.0;
  switch (f.dtype) {
    case DType::f16:
      largest = static_cast<double>(half_to_float(0x7BFF));
      break;
    case DType::bf16:
      largest = static_cast<double>(bfloat16_to_float(0x7F7F));
      break;
    case DType::f32:
      largest = static_cast<double>(half_to_float(0x7BFF));  // A16: the device's 16-bit float
      break;
    default:
      for (unsigned code = 0; code < 128; ++code) {
        const float x = decode_small_float(
            static_cast<std::uint8_t>(code & ((1u << (stored_bits(f.dtype) - 1)) - 1u)), f.dtype);
        if (std::isfinite(x)) largest = std::max(largest, static_cast<double>(x));
      }
  }
  return {-largest, largest};
}

std::string scales_of(const OperandFormat& o) {
  if (!has_scale(o.format)) return "none";
  if (o.format.scale == ScaleFormat::e4m3)
    return fmt::format("E4M3 per {}, float32 per tensor", o.format.block_size);
  if (o.format.scale == ScaleFormat::e8m0) return fmt::format("E8M0 per {}", o.format.block_size);
  return o.of_weights ? "float32 per channel, tensor or block" : "float32 per tensor";
}

/// Whether this machine has a kernel for the format beside the operand it is usually paired with.
bool is_native(const OperandFormat& o) {
  const std::string text(o.text);
  return has_native_kernel(parse_precision(o.of_weights ? "W" + text + "A8" : "W8A" + text)) ||
         (o.of_weights && has_native_kernel(parse_precision("W" + text + "A16")));
}

constexpr std::string_view kWidened = "nothing: weights are widened before use";

/// A16 is whatever 16-bit float the device has.
int bits_of(const OperandFormat& o) {
  return o.format.is_quantized() ? stored_bits(o.format.dtype) : 16;
}

std::string_view status_of(bool native) {
  return native ? "native kernel here" : "emulated: accuracy only";
}

struct PrecisionRow {
  std::string name, meaning, needs;
  int weight_bits = 0, activation_bits = 0;
  bool native = false;
};

const OperandFormat& operand(std::string_view text, bool weight) {
  for (const OperandFormat& o : operand_formats()) {
    if (o.text == text && (weight ? o.of_weights : o.of_activations)) return o;
  }
  throw Error(ErrorCode::internal, fmt::format("no operand '{}'", text));
}

std::vector<PrecisionRow> precision_rows() {
  std::vector<PrecisionRow> rows;
  for (const std::string& name : known_precisions()) {
    const Precision p = parse_precision(name);
    PrecisionRow row{name, "", "", weight_bits(p), activation_bits(p), has_native_kernel(p)};
    const std::size_t a = name.find('A');
    if (name.starts_with('W') && a != std::string::npos) {
      const OperandFormat& w = operand(std::string_view(name).substr(1, a - 1), true);
      const OperandFormat& x = operand(std::string_view(name).substr(a + 1), false);
      row.meaning = fmt::format("weights {}; activations {}", w.meaning, x.meaning);
      row.needs = p.activation.is_quantized() ? x.needs : kWidened;
      if (!has_scale(p.weight) && !p.activation.is_quantized()) row.needs = w.needs;
    } else {
      row.meaning = "both operands";
      for (const OperandFormat& o : operand_formats())
        if (o.format == p.weight) row.needs = o.needs;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string to_json() {
  Json formats = Json::array(), precisions = Json::array();
  for (const OperandFormat& o : operand_formats()) {
    const Range range = range_of(o.format);
    Json operands = Json::array();
    if (o.of_weights) operands.push_back("weight");
    if (o.of_activations) operands.push_back("activation");
    formats.push_back({{"text", o.text},
                       {"operands", operands},
                       {"type", name_of(o.format.dtype)},
                       {"bits", bits_of(o)},
                       {"lowest", range.lowest},
                       {"highest", range.highest},
                       {"scales", scales_of(o)},
                       {"meaning", o.meaning},
                       {"needs", o.needs},
                       {"status", is_native(o) ? "native" : "emulated"}});
  }
  for (const PrecisionRow& r : precision_rows()) {
    precisions.push_back({{"name", r.name},
                          {"weight_bits", r.weight_bits},
                          {"activation_bits", r.activation_bits},
                          {"meaning", r.meaning},
                          {"needs", r.needs},
                          {"status", r.native ? "native" : "emulated"}});
  }
  return Json{{"operands", formats}, {"precisions", precisions}}.text();
}

std::string to_text() {
  std::vector<std::vector<std::string>> rows = {
      {"operand", "bits", "range", "scales", "what", "needs", "status"}};
  for (const OperandFormat& o : operand_formats()) {
    const Range r = range_of(o.format);
    rows.push_back(
        {fmt::format("{}{}", o.of_weights ? (o.of_activations ? "W/A" : "W") : "A", o.text),
         std::to_string(bits_of(o)), fmt::format("{:g}..{:g}", r.lowest, r.highest), scales_of(o),
         std::string(o.meaning), std::string(o.needs), std::string(status_of(is_native(o)))});
  }
  std::vector<std::vector<std::string>> named = {
      {"precision", "W bits", "A bits", "needs", "status"}};
  for (const PrecisionRow& r : precision_rows())
    named.push_back({r.name, std::to_string(r.weight_bits), std::to_string(r.activation_bits),
                     r.needs, std::string(status_of(r.native))});
  return render_table(rows) + "\n" + render_table(named) +
         "\nA precision is W{weight}A{activation}: W4A8F, W8UA8S, W4NVA16. Weights with float32 "
         "scales take :tensor, :channel or :gN.\n";
}

}  // namespace

void add_formats_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand(
      "formats", "Number formats and precisions: range, bits, what they need, status here");
  command->footer("Example:\n  qsweep formats --json");
  command->callback([&invocation] {
    invocation.action = [&invocation] {
      print(invocation.json ? to_json() : to_text());
      return kExitOk;
    };
  });
}

}  // namespace qsweep
