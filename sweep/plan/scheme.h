#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/quant/format.h"
#include "src/quant/weight.h"

#include "src/graph/layers.h"

namespace qsweep {

/// The precisions a run may use, each once; index 0 is FP32. Schemes refer to them by index.
class PrecisionSet {
 public:
  explicit PrecisionSet(QuantDefaults defaults = {});
  /// Index of a precision, added when new. @throws Error(config) on an unknown name.
  std::uint8_t add(std::string_view name);
  /// Index of a precision, by any of its spellings. @throws Error(internal) when absent.
  [[nodiscard]] std::uint8_t index(std::string_view name) const;
  [[nodiscard]] const Precision& at(std::uint8_t index) const { return precisions_.at(index); }
  [[nodiscard]] std::span<const Precision> all() const { return precisions_; }

 private:
  QuantDefaults defaults_;
  std::vector<Precision> precisions_;
};

/// An assignment of a precision to every layer, in layer order.
struct Scheme {
  std::string
      id;  ///< first 12 hex digits of SHA-256 of canonical assignment and quantizer settings
  std::string name;  ///< readable: `W4A8F keep FP16 top 2`; not part of the identity
  std::vector<std::uint8_t> precision;
};

/// `settings` is the canonical text of what else decides the numbers (quantizer, calibration, model
/// digest).
[[nodiscard]] Scheme make_scheme(std::string name,
                                 std::vector<std::uint8_t> precision,
                                 std::span<const Layer> layers,
                                 const PrecisionSet& precisions,
                                 std::string_view settings);

/// Canonical text form: the most frequent precision as `*=`, then every other layer: `*=W4A8F;
/// conv1=FP16`. Names that hold `;`, `"`, a pattern character or blanks at an end, or start with
/// `#` or `re:`, are quoted: `"a;b"=FP16`, a quote inside doubled. parse_scheme() reads it back.
[[nodiscard]] std::string to_text(std::span<const std::uint8_t> precision,
                                  std::span<const Layer> layers,
                                  const PrecisionSet& precisions);

/// Parses `*=W4A8F; /conv1=FP16; re:stack3.*=W8A8; *attn*=W8A8`: rules in order, separated by `;`
/// or line ends, the last match wins; a quoted selector is an exact name; `#` at the start of a
/// rule comments out its line. A layer no rule matches is FP32. @throws Error(config): a selector
/// that matches nothing (with the nearest names), an unknown precision, a rule without `=`.
[[nodiscard]] std::vector<std::uint8_t> parse_scheme(std::string_view text,
                                                     std::span<const Layer> layers,
                                                     PrecisionSet& precisions);

/// Layers a selector matches: `*` all, exact name (which wins over its meaning as a pattern),
/// `@first`, `@last`, `re:` regular expression over the whole name, glob (`/` and `.` between parts
/// are the same), or the name of a PyTorch module (layers_of_module()). @throws Error(config) when
/// none does, naming the nearest, or when a module name says too little.
[[nodiscard]] std::vector<LayerId> select_layers(std::string_view selector,
                                                 std::span<const Layer> layers);

/// Glob or `re:` over a whole name, as select_layers() compares them.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view name);

/// Weight bytes as deployed (scales included, biases and input factors at 4 bytes) and mean bits
/// per weight (R117).
struct SchemeSize {
  std::int64_t bytes = 0;
  double effective_bits = 0.0;
};

/// What a layer contributes to a model's size.
struct WeightExtent {
  Shape shape;
  WeightAxes axes;
  std::int64_t bias_elements = 0;
  /// By precision: factors that its input is multiplied by (Adaptation::scale); empty: none.
  std::vector<std::int64_t> input_factors{};
};
[[nodiscard]] SchemeSize scheme_size(std::span<const std::uint8_t> precision,
                                     std::span<const WeightExtent> layers,
                                     const PrecisionSet& precisions);

/// Bit operations of one image: sum over layers of MACs * weight bits * activation bits.
[[nodiscard]] double bit_operations(std::span<const std::uint8_t> precision,
                                    std::span<const std::int64_t> macs,
                                    const PrecisionSet& precisions);

}  // namespace qsweep
