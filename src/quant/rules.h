#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/quant/format.h"

namespace qsweep {

/// What a configuration says about one quantizer, in the grammar of NVIDIA's Model Optimizer:
/// `{"num_bits": 8, "axis": 0}`, `{"num_bits": [4, 3], "axis": null}`, `{"num_bits": 4,
/// "block_sizes": {"-1": 128}}`, `{"enable": false}`.
struct QuantizerAttributes {
  bool enable = true;
  std::vector<int> num_bits = {8};   ///< {8} integer; {4, 3} exponent and significand bits
  std::optional<int> axis;           ///< 0: a scale per output channel; none: per tensor
  std::int64_t block_size = 0;       ///< of the last axis; 0 = no blocks
  std::vector<int> scale_bits = {};  ///< {4, 3} or {8, 0}: one-byte block scales
  bool is_unsigned = false;
};

/// The format these attributes mean; f32 when the quantizer is disabled.
/// @throws Error(unsupported) naming what is not served and why.
[[nodiscard]] Format to_format(const QuantizerAttributes& attributes);

/// Inverse of to_format(), as one line of JSON.
[[nodiscard]] std::string attributes_json(const Format& format);

/// One rule of a configuration: which quantizers, and their format. Rules apply in order, the last
/// match wins. A disabled quantizer leaves its operand in high precision, FP16.
struct QuantRule {
  /// Layers as select_layers() takes them, with the suffix `weight_quantizer` or `input_quantizer`
  /// for one operand alone: `*mlp*weight_quantizer`. `default` is for quantizers that no other
  /// rule matches, wherever it stands.
  std::string selector;
  Format format{};        ///< f32: disabled
  bool optional = false;  ///< may match nothing: rules that are written for many models
  friend bool operator==(const QuantRule&, const QuantRule&) = default;
};

/// `"*mlp*weight_quantizer": {"num_bits": 8, "axis": 0}`
[[nodiscard]] std::string to_json(const QuantRule& rule);

/// `text` as a JSON string.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace qsweep
