#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/exec/program.h"
#include "src/target/target.h"

namespace qsweep {

/// Where a target rounds values of a model beside the inputs of its layers, whatever the scheme.
/// Immutable; thread-safe.
class QuantizerPlacement {
 public:
  enum class Role : std::uint8_t {
    none,      ///< reads real values, gives real values
    layer,     ///< gives codes where it computes on integers
    follows,   ///< an activation function that belongs to the kernel of the step before
    rescales,  ///< ChainRole::rescales
    keeps,     ///< ChainRole::keeps
  };
  struct StepRole {
    Role role = Role::none;
    StepId before{};  ///< follows: the step whose kernel it belongs to
    /// The step's output may be rounded to a range of its own.
    bool rounds = false;
  };

  /// Rounds the inputs of layers alone.
  QuantizerPlacement() = default;
  QuantizerPlacement(const Program& program, const Target& target);

  /// True where only the inputs of layers are rounded.
  [[nodiscard]] bool is_empty() const { return steps_.empty(); }
  /// @pre !is_empty()
  [[nodiscard]] const StepRole& role(StepId step) const { return steps_.at(step.index()); }
  /// Values that may be rounded to a range of their own, in step order.
  [[nodiscard]] std::span<const ValueId> points() const { return points_; }
  /// The value whose range scales `value`: another one where operators that keep elements lie
  /// between.
  [[nodiscard]] ValueId range_of(ValueId value) const {
    return ranges_.empty() ? value : ranges_[static_cast<std::size_t>(value)];
  }
  /// True when a layer of this operator at this precision is part of a chain of integer kernels.
  [[nodiscard]] bool is_integer(const Precision& precision, std::string_view layer_op) const;

 private:
  const Target* target_ = nullptr;
  std::vector<StepRole> steps_;
  std::vector<ValueId> points_;
  std::vector<ValueId> ranges_;  ///< by ValueId
};

/// Which values of one scheme are rounded, found step after step; what comes later changes nothing
/// of what came before.
class Chain {
 public:
  static constexpr int kReal = -1;

  /// All must outlive the chain.
  Chain(const Program& program,
        const QuantizerPlacement& placement,
        std::span<const Precision> precisions);

  /// Formats that values are rounded to: those of the activations of integer precisions.
  [[nodiscard]] std::span<const Format> formats() const { return formats_; }
  /// Takes a step at its layer's precision (any where it is none).
  void visit(StepId step, std::uint8_t precision);
  /// Index into formats() of what a value is rounded to; kReal where it is not.
  [[nodiscard]] int format_of(ValueId value) const {
    return values_.empty() ? kReal : values_[static_cast<std::size_t>(value)];
  }
  /// True when the output of the step is rounded there, and not already by its inputs.
  [[nodiscard]] bool rounds(StepId step) const;

 private:
  [[nodiscard]] int of_inputs(const Step& step) const;

  const Program& program_;
  const QuantizerPlacement& placement_;
  std::vector<Format> formats_;
  std::vector<std::vector<int>> by_layer_;  ///< [layer][precision]: format of its chain
  std::vector<int> steps_;                  ///< format of the codes that the step computes
  std::vector<int> values_;                 ///< by ValueId
};

}  // namespace qsweep
