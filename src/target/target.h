#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "src/quant/format.h"

#include "src/graph/graph.h"

namespace qsweep {

/// What an operator that is not a layer does between integer kernels.
enum class ChainRole : std::uint8_t {
  none,      ///< computes in float: its inputs are dequantized, its output is not rounded
  rescales,  ///< computes on integers: its output is rounded to a range of its own
  keeps,     ///< moves or picks elements: its output has the scale of its input
};

/// An operator with a role.
struct ChainRule {
  std::string_view op;
  ChainRole role = ChainRole::none;
  bool (*fits)(const Graph& graph, const Node& node) = nullptr;  ///< null: any node of it
};

/// What a runtime makes of a layer at a precision.
enum class Arithmetic : std::uint8_t {
  integer,   ///< a kernel on integers
  floating,  ///< a float kernel on rounded weights: smaller, not faster
  none,      ///< not deployable
  open,      ///< the runtime decides
};

struct Deployment {
  Arithmetic arithmetic = Arithmetic::open;
  std::string_view reason;  ///< a clause: `computes in float on dequantized operands`
  std::string_view source;  ///< where the runtime says so
};

/// A row of a target's table: what becomes of the precisions that it fits. The first that fits
/// counts.
struct DeploymentRule {
  bool (*fits)(const Precision& precision, std::string_view layer_op);
  Deployment becomes;
};

/// What a runtime makes of a quantized graph (DESIGN.md 4a): data, read by simulation, export and
/// reports alike. Nothing else names a runtime. Immutable.
struct Target {
  std::string_view name;     ///< as a job names it
  std::string_view runtime;  ///< for people
  int least_opset = 0;
  /// Layers whose outputs are rounded where the layer computes on integers, and, of those, the ones
  /// that may leave an output of the graph in float.
  std::span<const std::string_view> rounded_layers{};
  std::span<const std::string_view> float_at_the_end{};
  /// Operators that become part of the kernel before them: the output is rounded behind them.
  std::span<const std::string_view> absorbed{};
  std::span<const ChainRule> chain{};
  std::span<const DeploymentRule> deployments{};
  /// Symmetric activations use every code, -128 too; else a Clip stands before the quantizer.
  bool full_range = false;

  /// True when values beside the inputs of layers are rounded.
  [[nodiscard]] bool rounds_outputs() const { return !rounded_layers.empty(); }
  [[nodiscard]] ChainRole role_of(const Graph& graph, const Node& node) const;
  [[nodiscard]] Deployment deployment(const Precision& precision, std::string_view layer_op) const;
};

/// Every target, the default first.
[[nodiscard]] std::span<const Target> targets();
/// @throws Error(config) naming the nearest target
[[nodiscard]] const Target& find_target(std::string_view name);

}  // namespace qsweep
