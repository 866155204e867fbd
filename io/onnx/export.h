#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/affine.h"
#include "src/quant/weight.h"

#include "src/graph/graph.h"
#include "src/graph/layers.h"

#include "io/onnx/notes.h"

namespace qsweep {

/// What a layer's operands are rounded to. Formats of f32 leave an operand as it is in the graph.
struct LayerExport {
  QuantParams activation;  ///< of the layer's input, per tensor
  QuantizedWeight weight;  ///< unused when its format is f32
  /// The layer computes on codes: its bias is rounded to the grid s_x * s_w as the integer kernel
  /// does (kernels/linear.h) and stored as INT32.
  bool integer = false;
  /// By channel of the input (axis 1 of a convolution's, the last one of a product's): multiplied
  /// into it before it is rounded. Empty: nothing is.
  std::vector<float> input_factor{};
  Tensor bias{};  ///< f32, instead of the graph's; empty: the graph's
};

/// A value that is rounded where it is computed, beside the inputs of layers: everyone who reads it
/// reads it rounded.
struct ValueExport {
  ValueId value = kNoValue;
  QuantParams params;  ///< per tensor, with a scale
};

struct ExportOptions {
  /// 0: the least that the formats need (float8 activations: 21, though 19 has them), at least the
  /// model's own. Otherwise that one exactly.
  int opset = 0;
  /// Layers that compute on codes are written as ConvInteger and MatMulInteger: the engine's own
  /// integer arithmetic, bit for bit. ConvTranspose has no such operator and stays QDQ.
  bool integer_operators = false;
  bool int4_as_int8 = false;  ///< INT4 codes in INT8 tensors, for runtimes without opset 21
  /// The whole model in FP16 (detail/half.h), casts at its FP32 inputs and outputs, instead of FP16
  /// weights and layer inputs under FP32 arithmetic. Every layer's formats must be f16, without
  /// biases or input factors of its own.
  bool half_graph = false;
  /// File beside the model that takes its larger constants; written when the model would be over 2
  /// GiB, or always with `external_data`. Empty: there is none.
  std::string external_name{};
  bool external_data = false;
  std::string scheme{}, scheme_id{}, source_sha256{};  ///< for metadata_props
  ModelNotes notes{};                                  ///< of the source, carried over
};

struct ExportedModel {
  Bytes bytes;     ///< a serialized ModelProto
  Bytes external;  ///< contents of the file options.external_name; empty: not written
  int opset = 0;
  int ir_version = 0;
  std::int64_t quantize_nodes = 0, dequantize_nodes = 0, cast_nodes = 0;
  std::int64_t initializer_bytes = 0;  ///< of elements, packed as in the file
};

/// Writes the model that computes what the engine simulates, in QDQ form (ONNX QuantizeLinear and
/// DequantizeLinear):
/// - a quantized input is QuantizeLinear -> DequantizeLinear, one pair per (value, parameters);
///   f16 and bf16 inputs are Cast there and back. Codes narrower than their type (INT8 without
///   -128) get a Clip before, unless a Relu makes it idle.
/// - an input with factors goes through a Mul before that.
/// - a quantized weight is an initializer of codes -> DequantizeLinear; f16 and bf16 -> Cast.
/// - a value of `values` is QuantizeLinear -> DequantizeLinear for all its readers; a layer that
///   rounds it in the same way has no pair of its own.
/// - arithmetic stays FP32; the bias of an integer layer is INT32 -> DequantizeLinear.
/// With integer_operators, integer layers are QuantizeLinear -> ConvInteger or MatMulInteger -> Add
/// of the INT32 bias -> Cast -> Mul by s_x * s_w instead, INT4 codes in INT8 tensors.
/// Names of values, nodes, inputs and outputs are kept, and so are the notes' types of inputs and
/// outputs, names of their extents, doc strings and properties. A MatMul with a bias becomes MatMul
/// + Add. Operators are rewritten where the file's opset is newer than the model's
/// (io/onnx/detail/upgrade.h).
/// @param graph   as Program holds it: folded, node names unique
/// @param layers  of `graph`; `exports` has one entry for each
/// @throws Error(unsupported) listing the operators that cannot be written in the opset, a format
/// that no supported opset has, a model over 2 GiB without external_name; Error(config) when
/// options.opset is too old for a layer's format, naming the layer.
[[nodiscard]] ExportedModel export_onnx(const Graph& graph,
                                        std::span<const Layer> layers,
                                        std::span<const LayerExport> exports,
                                        const ExportOptions& options = {},
                                        std::span<const ValueExport> values = {});

}  // namespace qsweep
