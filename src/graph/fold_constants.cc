#include <algorithm>

#include "src/graph/detail/edit.h"
#include "src/graph/passes.h"

namespace qsweep {
namespace {

/// The value of Shape applied to an input of the graph whose extents are all declared (ONNX
/// Shape-15: `start` and `end` select a range, negative counts from the end, out of range is
/// clamped).
std::optional<Tensor> static_shape(const Graph& graph, const Node& node) {
  if (node.op != "Shape" || !node.domain.empty() || node.inputs.size() != 1) return std::nullopt;
  const ValueId input = node.inputs[0];
  if (std::ranges::find(graph.inputs, input) == graph.inputs.end()) return std::nullopt;
  const std::optional<Shape>& shape = graph.value(input).shape;
  if (!shape || std::ranges::any_of(*shape, [](std::int64_t d) { return d < 0; })) {
    return std::nullopt;
  }
  const auto rank = static_cast<std::int64_t>(shape->size());
  const auto position = [&](const char* name, std::int64_t fallback) {
    const std::int64_t p = node.attributes.i(name, fallback);
    return std::clamp<std::int64_t>(p < 0 ? p + rank : p, 0, rank);
  };
  const std::int64_t begin = position("start", 0);
  const std::int64_t end = std::max(begin, position("end", rank));
  return Tensor::of<std::int64_t>(DType::i64, {end - begin},
                                  std::span(*shape).subspan(static_cast<std::size_t>(begin),
                                                            static_cast<std::size_t>(end - begin)));
}

std::vector<Tensor> evaluate_if_constant(const Graph& graph,
                                         const Node& node,
                                         const NodeEvaluator& evaluate) {
  std::vector<Tensor> operands;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) {
      operands.emplace_back();
    } else if (graph.is_constant(id)) {
      operands.push_back(*graph.value(id).constant);
    } else {
      return {};
    }
  }
  return evaluate(node, graph.opset, operands);
}

}  // namespace

void fold_constants(Graph& graph, const NodeEvaluator& evaluate) {
  std::vector<bool> dead(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    std::vector<Tensor> results;
    if (std::optional<Tensor> shape = static_shape(graph, node)) {
      results.push_back(std::move(*shape));
    } else {
      results = evaluate_if_constant(graph, node, evaluate);
    }
    if (results.empty()) continue;
    QSWEEP_CHECK(results.size() >= node.outputs.size());
    for (std::size_t o = 0; o < node.outputs.size(); ++o) {
      if (node.outputs[o] != kNoValue) detail::make_constant(graph, node.outputs[o], results[o]);
    }
    dead[n] = true;
  }
  detail::erase_nodes(graph, dead);
}

}  // namespace qsweep
