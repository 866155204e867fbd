#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <onnx/onnx_pb.h>

#include "io/onnx/detail/fresh_names.h"
#include "io/onnx/export.h"

namespace qsweep::detail {

/// A layer of the graph with what its operands are rounded to.
struct LayerPlan {
  const Layer* layer = nullptr;
  const LayerExport* format = nullptr;
};

/// Writes one graph into a GraphProto, node by node; used once. See export_onnx().
class GraphWriter {
 public:
  /// @param plans by node name
  GraphWriter(const Graph& graph,
              const std::map<std::string, LayerPlan>& plans,
              std::span<const ValueExport> values,
              const ExportOptions& options,
              onnx::GraphProto& proto);

  /// Fills `proto` and the counts of `model`.
  void write(ExportedModel& model);

 private:
  /// A layer's input, perhaps multiplied by factors, before it is rounded.
  struct Source {
    ValueId value;
    std::vector<float> factor;
    std::string name;
  };

  /// The float value that stands for a value rounded in some way, once per way.
  struct Rounded {
    std::string from;
    QuantParams params;
    std::string name;
    Tensor codes{};  ///< of a weight
  };

  /// Codes of a value with the initializers that scale them.
  struct Codes {
    std::string from;
    QuantParams params;
    std::string name;
    std::vector<std::string> scaling;  ///< scale, and the zero point where it is written
  };

  void write_node(const Node& node);
  void write_layer(const Node& node, const LayerPlan& plan);
  void write_integer_layer(const Node& node, const LayerPlan& plan);
  void write_matmul_bias(onnx::NodeProto& matmul, const Node& node, const std::string& bias);

  /// The name under which the node that computes a value writes it.
  std::string written(ValueId value);
  /// Names of float values ready to be read: `value` itself, or what makes it the rounded one.
  std::string operand(ValueId value);
  Source source(const Layer& layer, const LayerExport& format);
  std::string rounded_input(const Source& source, const QuantParams& params);
  const Codes& codes_of(const Source& source, const QuantParams& params);
  std::string rounded_weight(const Layer& layer, const LayerExport& format);
  /// The layer's bias, or that which takes its place; may be empty.
  [[nodiscard]] Tensor bias_of(const Layer& layer, const LayerExport& format) const;
  std::string rounded_bias(const Layer& layer, const LayerExport& format);

  std::string clipped(const Source& source, const QuantParams& params);
  std::string cast(const std::string& x, const std::string& base, DType to);
  std::string dequantize(const std::string& codes,
                         const std::string& base,
                         const std::vector<std::string>& parameters,
                         const QuantParams& params);
  std::vector<std::string> parameters(const std::string& base,
                                      const Shape& shape,
                                      const QuantParams& params);

  std::string initializer(const std::string& wanted, const Tensor& tensor);
  onnx::NodeProto& add_node(const std::string& op,
                            const std::vector<std::string>& inputs,
                            const std::string& base);
  void describe(ValueId id, onnx::ValueInfoProto& info) const;

  const Graph& graph_;
  const std::map<std::string, LayerPlan>& plans_;
  const ExportOptions& options_;
  onnx::GraphProto& proto_;
  FreshNames names_;
  std::set<ValueId> written_constants_;
  std::map<ValueId, QuantParams> values_;          ///< rounded where they are computed
  std::map<ValueId, std::string> rounded_values_;  ///< those of them that somebody has read
  std::map<ValueId, std::string> real_outputs_;    ///< of the graph: names before they are rounded
  std::vector<Source> sources_;                    ///< those with factors
  std::vector<Rounded> inputs_, weights_;
  std::vector<Codes> codes_;
};

}  // namespace qsweep::detail
