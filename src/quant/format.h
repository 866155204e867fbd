#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/tensor/dtype.h"

namespace qsweep {

enum class Granularity : std::uint8_t { per_tensor, per_channel, per_block };

/// What a scale is stored as. e4m3: one byte, times one float32 for the whole tensor (NVFP4).
/// e8m0: one byte, a power of two (OCP Microscaling 1.0).
enum class ScaleFormat : std::uint8_t { f32, e4m3, e8m0 };

/// The number format of one operand: what its values are rounded to and how scales are shared.
/// `dtype == f32` means the operand is left alone; f16 and bf16 have no scale.
struct Format {
  DType dtype = DType::f32;
  Granularity granularity = Granularity::per_tensor;
  ScaleFormat scale = ScaleFormat::f32;  ///< one-byte scales are per block
  std::int64_t block_size = 0;  ///< per_block only: elements of the input axis that share a scale
  bool symmetric = true;        ///< zero_point 0 and a range symmetric about 0
  bool narrow_range = true;     ///< symmetric integers use [-max, max] (INT8: +-127, INT4: +-7)
  bool reduce_range = false;    ///< one bit less (INT8 +-63/64), for u8*s8 units that saturate

  [[nodiscard]] bool is_quantized() const { return dtype != DType::f32; }
  friend bool operator==(const Format&, const Format&) = default;
};

/// Integers, float8 and float4 are scaled; f16 and bf16 only round; f32 does neither.
[[nodiscard]] bool has_scale(const Format& format);

/// An activation in this format needs a calibrated range: its scale, or the tensor's share of it,
/// is fixed beforehand. Not so where blocks find powers of two as they come.
[[nodiscard]] bool needs_range(const Format& activation);

/// Integer limits of the format's codes, after narrow_range and reduce_range. Integer formats only.
struct CodeRange {
  std::int32_t lowest = 0;
  std::int32_t highest = 0;
};
[[nodiscard]] CodeRange code_range(const Format& format);

/// A weight format and an activation format: what one layer runs at.
struct Precision {
  std::string name;  ///< canonical, as parse_precision() accepts it: `FP32`, `W8A8`, `W4A16:g128`
  Format weight;
  Format activation;
  friend bool operator==(const Precision&, const Precision&) = default;
};

/// Both operands are integers of at most 8 bits: the layer computes in INT32.
[[nodiscard]] bool is_integer_arithmetic(const Precision& precision);
/// Bits that one weight takes, scales not counted (W4... = 4, FP16 = 16, FP32 = 32).
[[nodiscard]] int weight_bits(const Precision& precision);
[[nodiscard]] int activation_bits(const Precision& precision);

/// What a precision's name leaves open; the job's `quantization:` block.
struct QuantDefaults {
  Granularity weight_granularity = Granularity::per_channel;
  bool weight_symmetric = true;
  bool weight_narrow_range = true;
  bool weight_reduce_range = false;
  bool weight_unsigned = false;  ///< `8` is UINT8 with zero point
  bool activation_symmetric = false;
  DType activation_int8 = DType::u8;    ///< u8 (asymmetric) or i8
  bool activation_narrow_range = true;  ///< symmetric ones use [-max, max]
};

/// One operand as a precision's name spells it.
struct OperandFormat {
  std::string_view text;  ///< what follows W or A: `8`, `8F`, `4NV`
  Format format;          ///< per tensor, or in the blocks that belong to the format
  std::string_view meaning;
  std::string_view needs;  ///< hardware that computes in it
  bool of_weights = true;
  bool of_activations = true;
};
/// Every operand format that parse_precision() knows. Those without a suffix S or U (`4`, `8`) take
/// what QuantDefaults say.
[[nodiscard]] std::span<const OperandFormat> operand_formats();

/// Parses `FP32`, `FP16`, `BF16`, `NVFP4`, `MXFP4`, `MXFP8` and `W{weight}A{activation}`, operands
/// as operand_formats() lists them, with suffixes `:tensor` (`:per_layer`), `:channel`
/// (`:per_channel`), `:gN` for a weight whose format leaves that open. Case-insensitive. A16 leaves
/// activations in float (weight-only quantization). The canonical name leaves out what `defaults`
/// say already, so equal precisions have equal names.
/// @throws Error(config) naming the nearest known precision, or a suffix on a weight without one.
[[nodiscard]] Precision parse_precision(std::string_view name, const QuantDefaults& defaults = {});

/// A name of the precision with these operands that says what defaults could change otherwise:
/// granularity, and sign and symmetry of integer activations. parse_precision() makes it canonical.
/// Two operands left alone are FP32. @throws Error(unsupported) when no name says it.
[[nodiscard]] std::string spell_precision(const Format& weight, const Format& activation);

/// The names most precisions in use have, for help and hints.
[[nodiscard]] const std::vector<std::string>& known_precisions();

}  // namespace qsweep
