#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/tensor/attributes.h"
#include "src/tensor/tensor.h"

namespace qsweep {

/// One call of a float operator. `inputs[i].empty()` marks an absent optional operand.
struct OpCall {
  std::string_view op;
  std::string_view domain;  ///< "" is ai.onnx
  int opset = 0;
  const Attributes& attributes;
  int outputs = 1;        ///< how many the node names
  std::string_view name;  ///< of the node, for messages
  bool relu = false;      ///< Add: a Relu of the sum is the result
};

/// True when run_op() can compute the operator (at this opset).
[[nodiscard]] bool is_supported(std::string_view op, std::string_view domain, int opset);
/// All operators run_op() knows, sorted.
[[nodiscard]] std::vector<std::string> supported_ops();

/// Computes an operator as ONNX specifies it for the opset. Operands may be in either layout;
/// results are in whichever layout is cheapest. Float accumulation is FP32 in a fixed order: the
/// same operands give the same bits on every thread and rank of like machines. Single-threaded.
/// Thread-safe.
/// @throws Error(corrupt_input) on operands that break the spec, naming the node;
/// Error(unsupported) on an
///         unknown operator or attribute value.
[[nodiscard]] std::vector<Tensor> run_op(const OpCall& call, std::span<const Tensor> inputs);

/// True when the operator treats every element alike or moves whole channels, so that it keeps
/// channels_last (elementwise, pooling, Concat on channels, ...).
[[nodiscard]] bool keeps_layout(std::string_view op);

}  // namespace qsweep
