#pragma once

#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "src/quant/adapt.h"
#include "src/quant/format.h"
#include "src/quant/observer.h"
#include "src/quant/weight.h"

#include "src/exec/placement.h"
#include "src/exec/program.h"
#include "src/kernels/linear.h"

namespace qsweep {

/// What is done to each layer before its operands are rounded, [layer][precision]; empty = nothing
/// to any.
using Adaptations = std::vector<std::vector<Adaptation>>;

/// Everything that turns "layer 3 at W8A8" into numbers.
struct QuantSetup {
  std::vector<Precision> precisions;  ///< [0] must be FP32
  /// By layer: statistics of what scales its input (QuantizerPlacement::range_of); may be empty
  /// when no precision quantizes activations.
  std::vector<TensorStats> input_stats;
  CalibratorSettings calibrator;
  WeightAlgorithm weight_algorithm = WeightAlgorithm::rtn;
  Adaptations adaptations{};
  std::function<Tensor(Tensor)> keep{};           ///< as LinearSpec::keep, for every layer
  const QuantizerPlacement* placement = nullptr;  ///< null: only the inputs of layers are rounded
  /// Of the placement's points; empty as input_stats.
  std::vector<TensorStats> point_stats{};
};

/// One layer at one precision: its input's quantizer and its kernel.
struct PreparedLayer {
  std::vector<float> input_factor;  ///< by channel: multiplied into the input first; may be empty
  int channel_axis = 1;             ///< of the input
  QuantParams activation;           ///< format f32 when the input is not rounded
  bool integer = false;             ///< kernel takes codes; otherwise fake-quantized f32
  /// Shared by the precisions of a layer whose weights have the same values (W4A16 and W4A8F).
  std::shared_ptr<LinearKernel> kernel;
};

/// True when a layer at this precision computes on codes: integer operands and a kernel for them.
/// Otherwise it computes in FP32 on operands rounded to their formats.
[[nodiscard]] bool uses_integer_kernel(const Precision& precision);

/// The axis of a layer's input that its channels lie on: 1 for a convolution, -1 for a product.
[[nodiscard]] int channel_axis(const Layer& layer);

/// The axis of a layer's input that blocks of this format run along, as QuantParams::axis: the
/// channels of a convolution (across groups), the last axis of a product.
[[nodiscard]] int activation_axis(const Layer& layer, const Format& format);

/// Quantizes and packs each (layer, precision) once, on first use, and keeps it. One bank per
/// thread.
class LayerBank {
 public:
  /// Both must outlive the bank. @throws Error(config) when a precision needs ranges that setup
  /// lacks, naming the layers.
  LayerBank(const Program& program, const QuantSetup& setup);

  const PreparedLayer& at(LayerId layer, int precision) {
    const auto& found = prepared_[layer.index()][static_cast<std::size_t>(precision)];
    return found ? *found : prepare(layer, precision);
  }
  /// The kernel of an integer layer whose results are the codes that another layer's quantizer
  /// makes of them. Both must have integer kernels, and nothing may scale the other's input.
  LinearKernel& requantizing(LayerId layer, int precision, LayerId next_layer, int next_precision);
  [[nodiscard]] const QuantSetup& setup() const { return setup_; }
  [[nodiscard]] const Program& program() const { return program_; }

  /// The layer's weight at a precision, as export and size accounting need it.
  [[nodiscard]] QuantizedWeight weight(LayerId layer, int precision) const;
  [[nodiscard]] QuantParams activation(LayerId layer, int precision) const;
  /// What the output of a step that rounds (QuantizerPlacement) is rounded to.
  /// @param format index into Chain::formats()
  [[nodiscard]] const QuantParams& rounding(StepId step, int format) const {
    return roundings_.at(static_cast<std::size_t>(format)).at(step);
  }
  /// The layer's bias with the adaptation's added; may be empty.
  [[nodiscard]] Tensor bias(LayerId layer, int precision) const;
  [[nodiscard]] const Adaptation& adaptation(LayerId layer, int precision) const;

 private:
  /// What decides a float kernel's constants.
  struct FloatKernel {
    Format weight;
    const Adaptation* adaptation;
    std::shared_ptr<LinearKernel> kernel;
  };

  void find_roundings();
  [[nodiscard]] LinearSpec spec(LayerId layer) const;
  const PreparedLayer& prepare(LayerId layer, int precision);
  std::shared_ptr<LinearKernel> float_kernel(LayerId layer, int precision);

  const Program& program_;
  const QuantSetup& setup_;
  std::vector<std::vector<std::unique_ptr<PreparedLayer>>> prepared_;  ///< [layer][precision]
  std::vector<std::vector<FloatKernel>> float_kernels_;                ///< [layer]: those so far
  std::map<std::tuple<LayerId, int, LayerId, int>, std::unique_ptr<LinearKernel>> requantizing_;
  std::vector<std::map<StepId, QuantParams>> roundings_;  ///< [format]
};

}  // namespace qsweep
