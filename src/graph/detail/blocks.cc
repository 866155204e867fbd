#include "src/graph/detail/blocks.h"

#include <algorithm>
#include <cmath>

namespace qsweep::detail {
namespace {

std::int64_t largest(const std::vector<std::int64_t>& numbers) {
  return numbers.empty() ? 1 : std::ranges::max(numbers);
}

std::vector<std::int64_t> integers(const Graph& graph, const Node& node, std::size_t operand) {
  if (operand >= node.inputs.size() || !graph.is_constant(node.inputs[operand])) return {};
  const Tensor& tensor = *graph.value(node.inputs[operand]).constant;
  if (tensor.dtype() != DType::i64) return {};
  const auto values = tensor.data<std::int64_t>();
  return {values.begin(), values.end()};
}

/// How much smaller its output is than its input along an edge of the picture; 1 where unknown.
double shrinks(const Graph& graph, const Node& node) {
  const auto stride = static_cast<double>(largest(node.attributes.ints("strides")));
  if (node.op == "Conv" || node.op == "MaxPool" || node.op == "AveragePool") return stride;
  if (node.op == "ConvTranspose") return 1.0 / stride;
  if (node.op == "Slice") {  // of one axis or of both: by area
    double kept = 1.0;
    for (const std::int64_t step : integers(graph, node, 4)) kept *= static_cast<double>(step);
    return kept > 1.0 ? std::sqrt(kept) : 1.0;
  }
  if (node.op != "Resize" && node.op != "Upsample") return 1.0;
  const std::size_t operand = node.op == "Resize" ? 2 : 1;
  if (operand >= node.inputs.size() || !graph.is_constant(node.inputs[operand])) return 1.0;
  const Tensor& scales = *graph.value(node.inputs[operand]).constant;
  if (scales.dtype() != DType::f32 || scales.size() == 0) return 1.0;
  const double scale = static_cast<double>(std::ranges::max(scales.data<float>()));
  return scale > 0.0 ? 1.0 / scale : 1.0;
}

bool enlarges(const Node& node) {
  return node.op == "Resize" || node.op == "Upsample" || node.op == "ConvTranspose";
}

/// Operators between blocks: paths join there, or the picture changes size.
bool is_joint(const Graph& graph, const Node& node) {
  if (enlarges(node) || node.op == "Flatten" || node.op == "ReduceMean" ||
      node.op.find("Pool") != std::string::npos)
    return true;
  if (node.op != "Add" && node.op != "Concat") return false;
  return std::ranges::count_if(
             node.inputs, [&](ValueId v) { return v != kNoValue && !graph.is_constant(v); }) > 1;
}

}  // namespace

std::vector<std::string> blocks_by_structure(const Graph& graph, const std::vector<Layer>& layers) {
  struct Past {
    double scale = 1.0;  ///< the input's edge over this value's
    bool layer = false;  ///< some layer lies before
    bool enlarged = false;
  };
  struct Future {
    bool layer = false;   ///< some layer lies behind
    bool joined = false;  ///< and a joint or a stride before or at it
  };
  std::vector<int> layer_of(graph.nodes.size(), -1);
  for (std::size_t i = 0; i < layers.size(); ++i)
    layer_of[layers[i].node.index()] = static_cast<int>(i);

  std::vector<Past> past(graph.values.size());
  std::vector<Past> result(graph.nodes.size());
  std::vector<bool> has_layer_before(graph.nodes.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    Past p;
    for (const ValueId v : node.inputs) {
      if (v == kNoValue || graph.is_constant(v)) continue;
      const Past& before = past[static_cast<std::size_t>(v)];
      p.scale = std::max(p.scale, before.scale);
      p.layer = p.layer || before.layer;
      p.enlarged = p.enlarged || before.enlarged;
    }
    has_layer_before[n] = p.layer;
    p.scale = std::max(1.0, p.scale * shrinks(graph, node));
    p.layer = p.layer || layer_of[n] >= 0;
    p.enlarged = p.enlarged || enlarges(node);
    result[n] = p;
    for (const ValueId v : node.outputs) {
      if (v != kNoValue) past[static_cast<std::size_t>(v)] = p;
    }
  }

  std::vector<Future> future(graph.values.size());
  std::vector<bool> is_head(graph.nodes.size(), false);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    Future f;
    for (const ValueId v : node.outputs) {
      if (v == kNoValue) continue;
      f.layer = f.layer || future[static_cast<std::size_t>(v)].layer;
      f.joined = f.joined || future[static_cast<std::size_t>(v)].joined;
    }
    is_head[n] = !f.joined;
    f.layer = f.layer || layer_of[n] >= 0;
    const bool strided = layer_of[n] >= 0 && shrinks(graph, node) != 1.0;
    f.joined = f.joined || (f.layer && (strided || is_joint(graph, node)));
    for (const ValueId v : node.inputs) {
      if (v == kNoValue) continue;
      Future& before = future[static_cast<std::size_t>(v)];
      before.layer = before.layer || f.layer;
      before.joined = before.joined || f.joined;
    }
  }

  std::vector<std::string> blocks;
  for (const Layer& layer : layers) {
    const auto n = layer.node.index();
    if (!has_layer_before[n]) {
      blocks.emplace_back("stem");
      continue;
    }
    std::string block = is_head[n] ? "head" : result[n].enlarged ? "neck" : "backbone";
    const auto scale = std::llround(result[n].scale);
    if (scale > 1 && layer.op.starts_with("Conv")) block += "/" + std::to_string(scale);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace qsweep::detail
