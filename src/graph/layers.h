#pragma once

#include <string>
#include <vector>

#include "src/graph/graph.h"

namespace qsweep {

/// A quantizable node: Conv, ConvTranspose, Gemm, or MatMul with a constant weight (R009). Its
/// weight and its input are what a precision applies to. Operands are (input, weight[, bias]) for
/// all four: after fuse_patterns() a MatMul may have a third operand, a constant bias of one
/// element per column.
///
/// A node of these kinds that has another form is computed as an ordinary operator: weight not a
/// constant floating-point tensor (rank 2 for Gemm and MatMul), bias not a constant vector of one
/// element per output channel, Gemm with transA or with alpha or beta other than 1 (fuse_patterns()
/// removes them).
struct Layer {
  std::string name;  ///< the node's unique name
  std::string op;
  NodeId node{};
  ValueId input = kNoValue;
  ValueId weight = kNoValue;
  ValueId bias = kNoValue;  ///< may be kNoValue
  int output_axis = 0;  ///< of the weight: per-channel scales run along it. A grouped ConvTranspose
                        ///< has channels / group elements here, shared by its groups
  int input_axis = 1;   ///< of the weight: blocks run along it
  bool is_depthwise = false;
  std::int64_t parameters = 0;  ///< elements of weight and bias
  std::string group;  ///< block of the network it belongs to, from its name (`stack1`, `layer2.0`)
};

/// The block a layer belongs to, from its name alone. The name up to the first `;` is split at `/`
/// and `.`; a leading `model` that no number follows is dropped, and the last part is the layer
/// itself. The block is then everything up to the first number (and a following `*attn*`,
/// `*attention*` or `mlp`; `linear1`, `fc2`, `ffn` and the like are written `mlp`), or the first
/// part where there is no number: `stack1.conv1` -> `stack1`,
/// `layer2.0.conv1` -> `layer2.0`,
/// `/model.22/cv2.0/conv/Conv` -> `model.22`, `/blocks.3/attn/qkv/MatMul` -> `blocks.3.attn`,
/// `model/activation_4/Relu;model/...` -> `activation_4`, `conv1` -> `conv1`.
[[nodiscard]] std::string group_of(const std::string& layer_name);

/// The layers of a graph in topological order. Where eight or more have names that are no paths and
/// tell no two of them to be of one block (`Conv_41`), their blocks are read off the graph instead:
/// stem, backbone/8, neck/16, head/8 (detail/blocks.h).
[[nodiscard]] std::vector<Layer> find_layers(const Graph& graph);

}  // namespace qsweep
