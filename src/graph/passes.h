#pragma once

#include <functional>
#include <span>
#include <vector>

#include "src/graph/graph.h"

namespace qsweep {

/// Computes the outputs of one node from constant operands (the kernels do it; injected so that
/// graph does not depend on them). Returns nothing for an operator it does not know.
using NodeEvaluator = std::function<std::vector<Tensor>(
    const Node& node, int opset, std::span<const Tensor> operands)>;

/// Gives every node a unique, stable name: its own when unique; otherwise `<name>#2`, ... in
/// topological order; unnamed ones `<op>_<index>`. (R011)
void name_nodes(Graph& graph);

/// Writes operators on codes (QLinearConv, QLinearMatMul, ConvInteger, MatMulInteger, and
/// com.microsoft's QGemm, QLinearAdd, QLinearMul, QLinearConcat, ...) as DequantizeLinear, the
/// float operator, QuantizeLinear, so that both forms of a quantized model are one to who lists its
/// layers or looks at real values (R017). The kernels compute the operators themselves, exactly:
/// do this to look at a graph, not to evaluate it. Node names must be unique already. Those without
/// such a form (zero points by row, scales that are computed, channels_last pools) stay. Returns
/// how many were rewritten.
int expand_qoperators(Graph& graph);

/// Replaces nodes whose operands are all constant by their value. Shape operators of inputs with
/// unknown extents are left for run time. Nodes for which `evaluate` returns nothing stay.
void fold_constants(Graph& graph, const NodeEvaluator& evaluate);

/// Folds BatchNormalization (inference form) into the preceding Conv/ConvTranspose/Gemm with
/// constant weight whose output it alone reads: W' = W * g / sqrt(v + e),
/// b' = (b - m) * g / sqrt(v + e) + beta, computed in double and rounded once to the weight's type
/// (f32 or f64; others stay). (R010) Run fuse_patterns() first. Returns how many were folded.
/// @throws Error(numeric) when variance + epsilon is not positive, naming node and channel.
int fold_batch_norm(Graph& graph);

/// Rewrites small patterns that exporters split up: MatMul + Add(constant vector) stays two nodes
/// in ONNX but becomes one layer with a bias here. Gemm with constant operands loses alpha and beta
/// and gets a bias of one element per column. Slices of slices along other axes become one.
/// Identity, Dropout (inference) and Cast from f32 to f32 vanish.
void fuse_patterns(Graph& graph);

/// Drops nodes no output depends on, and constants nobody reads.
void remove_dead(Graph& graph);

}  // namespace qsweep
