#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/graph/graph.h"
#include "src/graph/layers.h"
#include "src/kernels/linear.h"

namespace qsweep {

/// One thing to compute: a layer (whose precision is open) with what is fused behind it, or an
/// operator.
struct Step {
  NodeId node{};
  LayerId layer{};  ///< none: an operator
  /// The activation function fused behind a layer, or behind an Add (relu only); the step's output
  /// is the function's.
  Epilogue epilogue = Epilogue::none;
  std::vector<ValueId>
      inputs;  ///< as the node's (constants and kNoValue too); layer: only the activation
  std::vector<ValueId> outputs;  ///< kNoValue where the node leaves an output unused
};

/// Extents and cost of every value and step for one input shape, learnt by running it once.
struct Trace {
  Shape input_shape;
  std::vector<Shape> shapes;        ///< by ValueId; empty for values never computed
  std::vector<std::int64_t> bytes;  ///< by ValueId
  std::vector<std::int64_t> macs;   ///< by step; 0 for operators without products
  std::vector<double> work;         ///< by step: MACs + kWorkPerElement * elements moved
};

/// Moving an element through memory costs about as much as this many multiply-accumulates of a
/// convolution kernel (6 measured on ResNet-8 in cache, more beyond it). The cost model's only
/// constant; measured times correct it.
inline constexpr double kWorkPerElement = 8.0;

/// A model ready for evaluation: folded, named, in topological order, with its layers found.
/// Computes in FP32: float16 and bfloat16 constants are widened, so inputs are f32 for such models
/// too. Immutable and shared by all evaluations of the model. Thread-safe.
class Program {
 public:
  /// Which activation functions behind a layer or an Add become part of its step (then the values
  /// between are never computed): Relu and SiLU; Relu alone, for targets that round between a layer
  /// and a SiLU; none, for looking at every value.
  enum class Epilogues { fused, relu, separate };

  /// @param graph as imported; constant folding, BatchNorm folding and pattern fusion happen here.
  /// @throws Error(unsupported) listing every operator without a kernel, with its node, all at
  /// once.
  explicit Program(Graph graph, Epilogues epilogues = Epilogues::fused);

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  [[nodiscard]] const Step& step(StepId id) const { return steps_.at(id.index()); }
  [[nodiscard]] const std::vector<Layer>& layers() const { return layers_; }
  [[nodiscard]] const Layer& layer(LayerId id) const { return layers_.at(id.index()); }
  /// The step that computes a layer.
  [[nodiscard]] StepId step_of(LayerId id) const { return layer_steps_.at(id.index()); }
  [[nodiscard]] int batch_norms_folded() const { return batch_norms_folded_; }
  [[nodiscard]] ValueId input() const { return graph_.inputs.at(0); }

  /// How the layer computes, with the epilogue that is fused behind it.
  [[nodiscard]] LinearSpec spec(LayerId id) const;
  /// The layer's constants as in the (folded) model; `bias` may be empty.
  [[nodiscard]] const Tensor& weight(LayerId id) const;
  [[nodiscard]] Tensor bias(LayerId id) const;

  /// Runs a zero input of this shape once in FP32 and records what it saw.
  [[nodiscard]] Trace trace(const Shape& input_shape) const;
  /// The extents of one image [1, C, H, W] as the model declares them; `pinned` (all extents, -1
  /// where the model decides) overrides.
  /// @throws Error(config) when extents other than the batch are symbolic and not pinned (R005).
  [[nodiscard]] Shape image_shape(const Shape& pinned = {}) const;
  /// False when only one image at a time gives right results: decided by running two random images
  /// together and alone (rows equal within 1e-5 of the output's largest magnitude), whatever the
  /// declared batch. With extents that need pinning a symbolic batch is trusted. The first call
  /// costs three images.
  [[nodiscard]] bool batchable() const;

 private:
  struct Batchable;

  Graph graph_;
  std::vector<Step> steps_;
  std::vector<Layer> layers_;
  std::vector<StepId> layer_steps_;  ///< by layer: its step
  int batch_norms_folded_ = 0;
  std::shared_ptr<Batchable> batchable_;
};

/// Images per forward pass, a power of two up to 16: as many as keep the input and the output of
/// the layer with the largest in 1 MiB, a core's cache, and at least one: fewer read the weights
/// more often, which Winograd's form makes large. Twice as many where the weights are over 2 MiB:
/// those of all precisions come from memory each time, which the ranks of a node share.
/// A function of the model alone.
/// @param one the trace of one image
[[nodiscard]] std::int64_t natural_batch(const Program& program, const Trace& one);

/// Operators of a graph that no kernel computes, as `op (node 'name')`, in graph order.
[[nodiscard]] std::vector<std::string> unsupported_nodes(const Graph& graph);

/// Called with the graph's inputs and then every value a float run computes, in step order; used by
/// calibration and activation capture. A layer's value is the one after its epilogue.
using ValueVisitor = std::function<void(ValueId value, const Tensor& tensor)>;

/// The FP32 kernels of a program, packed once, for any number of runs. One per thread.
class FloatRunner {
 public:
  /// `program` must outlive the runner.
  explicit FloatRunner(const Program& program);
  /// Plain FP32 run of the whole program on one input batch. Returns the outputs, row_major.
  [[nodiscard]] std::vector<Tensor> run(std::span<const Tensor> inputs,
                                        const ValueVisitor& visit = {});

 private:
  const Program& program_;
  std::vector<std::unique_ptr<LinearKernel>> kernels_;  ///< by layer
  std::vector<std::vector<ValueId>> last_reads_;        ///< by step: values nobody reads later
  std::vector<Tensor> values_;                          ///< of the run; all empty between two
};

/// One run of a fresh FloatRunner.
[[nodiscard]] std::vector<Tensor> run_float(const Program& program,
                                            const std::vector<Tensor>& inputs,
                                            const ValueVisitor& visit = {});

/// Computes an operator step from the values of its non-constant operands, in order; constants come
/// from the graph.
[[nodiscard]] std::vector<Tensor> run_operator(const Graph& graph,
                                               const Step& step,
                                               std::span<const Tensor* const> operands);

}  // namespace qsweep
