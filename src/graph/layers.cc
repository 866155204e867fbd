#include "src/graph/layers.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>

#include "src/base/text.h"

#include "src/graph/detail/blocks.h"

namespace qsweep {
namespace {

const Tensor* float_constant(const Graph& graph, const Node& node, std::size_t operand) {
  if (operand >= node.inputs.size() || !graph.is_constant(node.inputs[operand])) return nullptr;
  const Tensor& tensor = *graph.value(node.inputs[operand]).constant;
  return is_float(tensor.dtype()) ? &tensor : nullptr;
}

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c); });
}

/// How the two matrices behind an attention are called where no part of the name is `mlp`.
bool is_mlp(const std::string& part) {
  static constexpr std::array<std::string_view, 6> kNames = {"linear1", "linear2", "fc1",
                                                             "fc2",     "ffn",     "feed_forward"};
  return std::ranges::find(kNames, part) != kNames.end();
}

/// Names that are no paths, and no two of a block.
bool names_tell_nothing(const std::vector<Layer>& layers) {
  constexpr std::size_t kFewest = 8;
  std::set<std::string> groups;
  for (const Layer& layer : layers) {
    const std::string name = layer.name.substr(0, layer.name.find(';'));
    if (name.find_first_of("/.") != std::string::npos) return false;
    groups.insert(layer.group);
  }
  return layers.size() >= kFewest && groups.size() == layers.size();
}

/// The directions of a weight, and how many output channels a bias has; channels 0: not a layer.
struct WeightAxes {
  int output = 0;
  int input = 1;
  std::int64_t channels = 0;
  bool is_depthwise = false;
};

WeightAxes weight_axes(const Node& node, const Tensor& weight) {
  const Attributes& attributes = node.attributes;
  if (node.op == "Conv" && weight.rank() >= 3) {
    const bool depthwise = weight.dim(1) == 1 && attributes.i("group", 1) > 1;
    return {.output = 0, .input = 1, .channels = weight.dim(0), .is_depthwise = depthwise};
  }
  if (node.op == "ConvTranspose" && weight.rank() >= 3) {
    const std::int64_t group = attributes.i("group", 1);
    const bool depthwise = weight.dim(1) == 1 && group > 1 && group == weight.dim(0);
    if (group < 1 || group > weight.dim(0)) return {};
    return {.output = 1, .input = 0, .channels = weight.dim(1) * group, .is_depthwise = depthwise};
  }
  if (node.op == "Gemm" && weight.rank() == 2) {
    if (attributes.i("transA", 0) != 0) return {};
    if (attributes.f("alpha", 1.0F) != 1.0F || attributes.f("beta", 1.0F) != 1.0F) return {};
    if (attributes.i("transB", 0) != 0) return {.output = 0, .input = 1, .channels = weight.dim(0)};
    return {.output = 1, .input = 0, .channels = weight.dim(1)};
  }
  if (node.op == "MatMul" && weight.rank() == 2) {
    return {.output = 1, .input = 0, .channels = weight.dim(1)};
  }
  return {};
}

std::optional<Layer> as_layer(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (!node.domain.empty() || node.inputs.size() < 2 || node.inputs[0] == kNoValue)
    return std::nullopt;
  const Tensor* weight = float_constant(graph, node, 1);
  if (!weight || weight->size() == 0) return std::nullopt;
  const WeightAxes axes = weight_axes(node, *weight);
  if (axes.channels == 0) return std::nullopt;

  Layer layer{.name = node.name,
              .op = node.op,
              .node = id,
              .input = node.inputs[0],
              .weight = node.inputs[1],
              .output_axis = axes.output,
              .input_axis = axes.input,
              .is_depthwise = axes.is_depthwise,
              .parameters = weight->size(),
              .group = group_of(node.name)};
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    const Tensor* bias = float_constant(graph, node, 2);
    if (!bias || bias->shape() != Shape{axes.channels}) return std::nullopt;
    layer.bias = node.inputs[2];
    layer.parameters += bias->size();
  }
  return layer;
}

}  // namespace

std::string group_of(const std::string& layer_name) {
  std::string path = layer_name.substr(0, layer_name.find(';'));
  std::ranges::replace(path, '/', '.');
  std::vector<std::string> parts = split(path, '.');
  std::erase(parts, "");
  if (parts.size() >= 3 && parts[0] == "model" && !is_number(parts[1])) parts.erase(parts.begin());
  if (parts.size() < 2) return parts.empty() ? layer_name : parts[0];

  const auto last = parts.end() - 1;  // the layer itself, never part of its block's name
  auto end = std::find_if(parts.begin(), last, is_number);
  if (end == last) {
    end = parts.begin();
  } else if (is_mlp(end[1])) {
    *++end = "mlp";
  } else if (end + 1 != last &&
             (end[1].find("attn") != std::string::npos ||
              end[1].find("attention") != std::string::npos || end[1] == "mlp")) {
    ++end;
  }
  return join({parts.begin(), end + 1}, ".");
}

std::vector<Layer> find_layers(const Graph& graph) {
  std::vector<Layer> layers;
  for (const NodeId node : ids<NodeId>(graph.nodes.size())) {
    if (auto layer = as_layer(graph, node)) layers.push_back(std::move(*layer));
  }
  if (names_tell_nothing(layers)) {
    const std::vector<std::string> blocks = detail::blocks_by_structure(graph, layers);
    for (std::size_t i = 0; i < layers.size(); ++i) layers[i].group = blocks[i];
  }
  return layers;
}

}  // namespace qsweep
