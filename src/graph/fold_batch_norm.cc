#include <algorithm>
#include <cmath>

#include "src/graph/detail/edit.h"
#include "src/graph/detail/numbers.h"
#include "src/graph/passes.h"

namespace qsweep {
namespace {

using Doubles = std::vector<double>;

/// What an inference BatchNormalization does to channel c: y = x * gain[c] + offset[c].
struct ChannelAffine {
  Doubles gain, offset;
};

/// The constant operand of a node, or null when it is absent, computed, or not a floating-point
/// tensor.
const Tensor* constant_operand(const Graph& graph, const Node& node, std::size_t index) {
  if (index >= node.inputs.size() || !graph.is_constant(node.inputs[index])) return nullptr;
  const Tensor& tensor = *graph.value(node.inputs[index]).constant;
  return detail::is_foldable(tensor) ? &tensor : nullptr;
}

bool has_operand(const Node& node, std::size_t index) {
  return index < node.inputs.size() && node.inputs[index] != kNoValue;
}

/// Training is written as further outputs up to opset 13 and as an attribute from 14 on; in both
/// cases the statistics come from the batch and nothing can be folded.
bool is_inference(const Node& node) {
  const auto named = std::ranges::count_if(node.outputs, [](ValueId id) { return id != kNoValue; });
  return node.op == "BatchNormalization" && node.domain.empty() && node.inputs.size() == 5 &&
         node.inputs[0] != kNoValue && !node.outputs.empty() && node.outputs[0] != kNoValue &&
         named == 1 && node.attributes.i("training_mode", 0) == 0;
}

std::optional<ChannelAffine> read_batch_norm(const Graph& graph, const Node& node) {
  if (!is_inference(node)) return std::nullopt;
  Doubles operands[4];  // scale, bias, mean, variance
  for (std::size_t i = 0; i < 4; ++i) {
    const Tensor* tensor = constant_operand(graph, node, i + 1);
    if (!tensor || tensor->rank() != 1) return std::nullopt;
    operands[i] = detail::to_doubles(*tensor);
    if (operands[i].size() != operands[0].size()) return std::nullopt;
  }
  const auto& [scale, bias, mean, variance] = operands;
  const double epsilon = static_cast<double>(node.attributes.f("epsilon", 1e-5F));
  ChannelAffine affine;
  for (std::size_t c = 0; c < scale.size(); ++c) {
    const double gain = scale[c] / std::sqrt(variance[c] + epsilon);
    if (!std::isfinite(gain)) {
      throw Error(ErrorCode::numeric,
                  "variance + epsilon of channel " + std::to_string(c) + " is not positive",
                  "node '" + node.name + "'", "Export the model again with trained statistics");
    }
    affine.gain.push_back(gain);
    affine.offset.push_back(bias[c] - mean[c] * gain);
  }
  return affine;
}

/// How a weight's elements map to output channels: element e belongs to channel_of(e).
struct WeightLayout {
  std::int64_t channels = 0;
  std::int64_t groups = 1;
  std::int64_t inputs_per_group = 1;  ///< rows of one group; all rows where there are no groups
  std::int64_t columns = 1;           ///< output channels within one row
  std::int64_t inner = 1;             ///< elements of one (row, column)

  [[nodiscard]] std::size_t channel_of(std::int64_t element) const {
    const std::int64_t column = element / inner % columns;
    const std::int64_t row = element / inner / columns;
    return static_cast<std::size_t>(row / inputs_per_group * columns + column);
  }
};

/// Conv W[M, C/g, ...]: channel = row. ConvTranspose W[C, M/g, ...]: channel = group * M/g +
/// column. Gemm B[K, N]: channel = column; with transB B[N, K]: channel = row. Nothing for other
/// operators.
std::optional<WeightLayout> weight_layout(const Node& node, const Tensor& weight) {
  if (!node.domain.empty() || weight.rank() < 2 || weight.size() == 0) return std::nullopt;
  const std::int64_t d0 = weight.dim(0);
  const std::int64_t d1 = weight.dim(1);
  const std::int64_t rest = weight.size() / d0;
  const WeightLayout by_row{.channels = d0, .inner = rest};
  if (node.op == "Conv" && weight.rank() >= 3) return by_row;
  if (node.op == "ConvTranspose" && weight.rank() >= 3) {
    const std::int64_t groups = node.attributes.i("group", 1);
    if (groups < 1 || d0 % groups != 0) return std::nullopt;
    return WeightLayout{.channels = groups * d1,
                        .groups = groups,
                        .inputs_per_group = d0 / groups,
                        .columns = d1,
                        .inner = rest / d1};
  }
  if (node.op == "Gemm" && weight.rank() == 2) {
    if (node.attributes.i("transB", 0) != 0) return by_row;
    return WeightLayout{.channels = d1, .inputs_per_group = d0, .columns = d1};
  }
  return std::nullopt;
}

/// The bias of each channel as the node adds it, zeros when there is none; nothing when it is
/// computed or, for Gemm, differs between rows.
std::optional<Doubles> read_bias(const Graph& graph, const Node& node, std::size_t channels) {
  if (!has_operand(node, 2)) return Doubles(channels, 0.0);
  const Tensor* tensor = constant_operand(graph, node, 2);
  if (!tensor) return std::nullopt;
  const bool is_row =
      tensor->rank() == 0 || (tensor->rank() <= 2 && tensor->dim(-1) == tensor->size());
  Doubles bias = detail::to_doubles(*tensor);
  if (node.op == "Gemm") {
    if (!is_row) return std::nullopt;
    if (bias.size() == 1) bias.assign(channels, bias[0]);
    const double beta = static_cast<double>(node.attributes.f("beta", 1.0F));
    for (double& b : bias) b *= beta;
  }
  if (bias.size() != channels) return std::nullopt;
  return bias;
}

/// Folds into the weight and bias of one node; false when its form does not allow it.
bool fold_into(Graph& graph, const detail::Uses& uses, NodeId id, const ChannelAffine& affine) {
  const Node& node = graph.node(id);
  const Tensor* weight = constant_operand(graph, node, 1);
  if (!weight) return false;
  const std::optional<WeightLayout> layout = weight_layout(node, *weight);
  const std::size_t channels = affine.gain.size();
  if (!layout || layout->channels != static_cast<std::int64_t>(channels)) return false;
  std::optional<Doubles> bias = read_bias(graph, node, channels);
  if (!bias) return false;

  Doubles elements = detail::to_doubles(*weight);
  for (std::size_t e = 0; e < elements.size(); ++e) {
    elements[e] *= affine.gain[layout->channel_of(static_cast<std::int64_t>(e))];
  }
  for (std::size_t c = 0; c < channels; ++c) {
    (*bias)[c] = (*bias)[c] * affine.gain[c] + affine.offset[c];
  }
  const DType dtype = weight->dtype();
  const Shape shape = weight->shape();
  graph.node(id).attributes.erase("beta");
  detail::replace_constant(graph, uses, id, 1, "weight",
                           detail::from_doubles(dtype, shape, elements));
  detail::replace_constant(
      graph, uses, id, 2, "bias",
      detail::from_doubles(dtype, {static_cast<std::int64_t>(channels)}, *bias));
  return true;
}

}  // namespace

int fold_batch_norm(Graph& graph) {
  detail::Uses uses(graph);
  std::vector<bool> dead(graph.nodes.size());
  int folded = 0;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::optional<ChannelAffine> affine = read_batch_norm(graph, graph.nodes[n]);
    if (!affine) continue;
    const ValueId between = graph.nodes[n].inputs[0];
    const NodeId producer = uses.producer_of(between);
    if (!producer || !uses.read_once(between)) continue;
    if (!fold_into(graph, uses, producer, *affine)) continue;
    const ValueId result = graph.nodes[n].outputs[0];
    graph.node(producer).outputs = {result};
    uses.producer[static_cast<std::size_t>(result)] = producer;
    dead[n] = true;
    ++folded;
  }
  detail::erase_nodes(graph, dead);
  return folded;
}

}  // namespace qsweep
