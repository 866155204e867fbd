#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/graph/graph.h"

namespace qsweep {

/// A QuantizeLinear directly followed by its DequantizeLinear: what quantizing one activation looks
/// like in a model file.
struct QdqPair {
  NodeId quantize{};
  NodeId dequantize{};
  ValueId before = kNoValue;  ///< what is quantized
  ValueId after = kNoValue;   ///< the real values of its codes
  std::string tensor;  ///< name of the tensor in the float model: that of `before`, without the
                       ///< suffix that ONNX Runtime's quantizer gives a graph output
};

/// How the DequantizeLinear in front of an operand stores it.
struct QdqOperand {
  bool quantized = false;
  DType codes = DType::u8;      ///< of a quantized operand
  int axis = -1;                ///< -1: one scale for the tensor
  std::int64_t block_size = 0;  ///< 0: not block-wise
  std::int64_t scales = 0;
};

/// What quantization a layer of a model file carries (R020).
struct QdqLayer {
  std::string name, op;
  QdqOperand input, weight, bias;
  DType stored = DType::f32;  ///< what the weight's elements in the file are
  std::string left_out;  ///< why an operand carries no Q/DQ, as far as the file shows; or empty
};

struct QdqSummary {
  std::int64_t quantize = 0, dequantize = 0;  ///< nodes
  std::vector<QdqPair> pairs;
  /// Pairs whose input comes straight from a DequantizeLinear with the same parameters: they change
  /// nothing and cost time (R023).
  std::vector<std::string> redundant;
  std::vector<QdqLayer> layers;  ///< all of them, those left in float too
  /// The file holds Q/DQ nodes, or weights of a narrower type than float32.
  [[nodiscard]] bool any() const;
};

/// Reads the Q/DQ nodes of a graph as imported (after name_nodes() and expand_qoperators(), before
/// constants are folded: weights keep their DequantizeLinear).
[[nodiscard]] QdqSummary summarize_qdq(const Graph& graph);

/// The pairs alone; of any graph.
[[nodiscard]] std::vector<QdqPair> find_qdq_pairs(const Graph& graph);

}  // namespace qsweep
