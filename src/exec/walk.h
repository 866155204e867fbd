#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "src/exec/bank.h"
#include "src/exec/placement.h"
#include "src/exec/program.h"

namespace qsweep {

/// A scheme as the engine sees it: the precision index of every layer, in layer order.
using Assignment = std::vector<std::uint8_t>;

/// One instruction of a walk. Registers hold tensors; each is written once between releases (but
/// compute_codes and compute_sum may take over a register that nothing reads after them). The
/// registers it reads and writes are Walk::sources() and Walk::targets(); constant operands have no
/// register.
struct Instruction {
  enum class Kind : std::uint8_t {
    input,          ///< target <- the batch
    compute,        ///< targets <- step at precision; a target of -1 is an output nobody reads
    compute_codes,  ///< target <- step at precision, quantized as (next_layer, next_precision)
                    ///< wants
    compute_sum,    ///< target <- step (an Add) of layer at precision, run on the first source, and
                    ///< the second source
    quantize,       ///< target <- the source scaled and rounded as (layer, precision) wants it
    round,          ///< target <- the source, an output of step, rounded to the format as reals
    probe,    ///< hand (scheme, layer, sources = input, quantized input, output, baseline) to the
              ///< sink
    emit,     ///< hand the outputs (sources) of scheme to the sink
    release,  ///< forget the sources
  };
  Kind kind = Kind::input;
  std::uint8_t precision = 0;       ///< compute of a layer, quantize, probe; round: the format
  std::uint8_t next_precision = 0;  ///< compute_codes
  std::uint16_t sources = 0;        ///< how many
  std::uint16_t targets = 0;        ///< how many
  LayerId next_layer{};             ///< compute_codes
  StepId step{};                    ///< compute, compute_sum, round
  LayerId layer{};                  ///< compute of a layer, quantize, probe
  std::int32_t scheme = -1;         ///< probe, emit: index into the schemes given to plan_walk()
  std::int32_t twin = -1;           ///< probe: as WalkSink::Probe has it
  std::uint32_t at = 0;             ///< index into Walk::operands of the sources, then the targets
};

struct WalkOptions {
  bool reuse = true;  ///< share what schemes have in common; off = every scheme from the input
  bool fuse_readers = true;  ///< quantizers and sums behind layers whose results they alone read
  /// Most bytes of live tensors for one batch; what does not fit is recomputed. 0 = no limit.
  std::int64_t memory_budget = 0;
  /// Probe each scheme's layers that are not at precision 0 against scheme 0's values (scheme 0
  /// must be all zeros). Used by sensitivity.
  bool probe = false;
  /// Those of the bank that will run the walk; null = none. Read by plan_walk() only.
  const Adaptations* adaptations = nullptr;
  /// That of the bank that will run the walk; null = only the inputs of layers are rounded.
  const QuantizerPlacement* placement = nullptr;
};

/// A straight-line program that evaluates many schemes on one batch. Every tensor has a key: (step,
/// precision, keys of its operands), so schemes that agree upstream of a tensor share it, and
/// branches that do not depend on a changed layer are not recomputed. A layer's quantized input is
/// keyed by (its input's key, activation format, input scales), so layers that read the same tensor
/// in the same way share the quantizer's pass. Schemes are visited in the order of a depth-first
/// walk of the trie of their assignments; since the whole sequence of uses is known, what is kept
/// is what is used next (Belady 1966). Reuse never changes a result: a tensor is a function of its
/// key.
struct Walk {
  std::vector<Instruction> instructions;
  std::vector<std::int32_t> operands;  ///< registers, by Instruction::at
  std::int32_t registers = 0;
  std::int64_t peak_bytes = 0;  ///< of live tensors, for the traced batch
  double work = 0.0;            ///< in the unit of Trace::work
  double work_without_reuse = 0.0;
  std::vector<std::int32_t> order;  ///< scheme indices in the order they are emitted

  [[nodiscard]] std::span<const std::int32_t> sources(const Instruction& i) const {
    return {operands.data() + i.at, i.sources};
  }
  [[nodiscard]] std::span<const std::int32_t> targets(const Instruction& i) const {
    return {operands.data() + i.at + i.sources, i.targets};
  }
};

/// Pure function of its arguments; near linear in schemes x layers. @throws Error(config) if one
/// scheme alone exceeds the budget, naming the bytes it needs; Error(unsupported) for a model with
/// two inputs.
[[nodiscard]] Walk plan_walk(const Program& program,
                             const Trace& trace,
                             std::span<const Precision> precisions,
                             std::span<const Assignment> schemes,
                             const WalkOptions& options = {});

/// Receives results while a walk runs.
class WalkSink {
 public:
  virtual ~WalkSink() = default;
  /// @param outputs the graph's outputs, row_major, in the graph's order
  virtual void output(int scheme, std::span<const Tensor> outputs) = 0;
  /// One quantized layer of one scheme. Values are real (f32), after the layer's fused ReLU, in any
  /// layout (that of `value` and `baseline` is the same). Valid during the call; copies may be
  /// kept.
  struct Probe {
    int scheme = -1;
    LayerId layer{};
    /// A scheme whose probe of this layer came before and had the same input and quantized input;
    /// -1 when there is none. The same in every batch of a walk.
    int twin = -1;
    const Tensor& input;  ///< of the layer in this scheme
    /// What its quantizer makes of it, computed by the call; `input` itself when activations are
    /// left alone.
    const std::function<Tensor()>& quantized_input;
    const Tensor& value;     ///< the layer's output in this scheme
    const Tensor& baseline;  ///< the layer's output in scheme 0
  };
  virtual void probe(const Probe& probe) { (void)probe; }
};

/// Executes a walk on one batch, row_major f32, of at most the traced number of images. `bank` must
/// hold the program and precisions that the walk was planned for.
void run_walk(const Walk& walk, LayerBank& bank, const Tensor& batch, WalkSink& sink);

}  // namespace qsweep
