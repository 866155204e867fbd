#include "sweep/plan/ties.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>
#include <string_view>

#include "src/base/error.h"

namespace qsweep {
namespace {

/// Their result is made of their operands' values, at most moved, picked, clamped or averaged.
constexpr std::array<std::string_view, 27> kCarriers = {
    "Add",       "AveragePool", "BatchNormalization",
    "Cast",      "Clip",        "Concat",
    "Dropout",   "Elu",         "Flatten",
    "Gelu",      "HardSwish",   "Identity",
    "LeakyRelu", "MaxPool",     "Mish",
    "Mul",       "PRelu",       "Pad",
    "Relu",      "Reshape",     "Resize",
    "Slice",     "Split",       "Squeeze",
    "Transpose", "Unsqueeze",   "Upsample"};

bool is_gate(const Graph& graph, ValueId value) {
  const NodeId producer = graph.producer(value);
  if (producer < 0) return false;
  const std::string& op = graph.nodes[static_cast<std::size_t>(producer)].op;
  return op == "Sigmoid" || op == "HardSigmoid" || op == "Softmax";
}

/// The layers whose results a value is made of.
class Sources {
 public:
  Sources(const Graph& graph, std::span<const Layer> layers) : by_value_(graph.values.size()) {
    std::vector<int> layer_of(graph.nodes.size(), -1);
    for (std::size_t i = 0; i < layers.size(); ++i)
      layer_of[static_cast<std::size_t>(layers[i].node)] = static_cast<int>(i);
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      std::set<int> made_of;
      if (layer_of[n] >= 0) {
        made_of = {layer_of[n]};
      } else if (std::ranges::find(kCarriers, node.op) != kCarriers.end()) {
        for (const ValueId v : node.inputs) {
          if (v == kNoValue || (node.op == "Mul" && is_gate(graph, v))) continue;
          made_of.insert(of(v).begin(), of(v).end());
        }
      }
      for (const ValueId v : node.outputs) {
        if (v != kNoValue) by_value_[static_cast<std::size_t>(v)] = made_of;
      }
    }
  }

  [[nodiscard]] const std::set<int>& of(ValueId v) const {
    return by_value_[static_cast<std::size_t>(v)];
  }

 private:
  std::vector<std::set<int>> by_value_;
};

/// Nodes that some layer reads from, at once or through others.
std::vector<bool> feeds_a_layer(const Graph& graph, std::span<const Layer> layers) {
  std::vector<bool> node_feeds(graph.nodes.size(), false), value_feeds(graph.values.size(), false);
  std::vector<bool> is_layer(graph.nodes.size(), false);
  for (const Layer& layer : layers) is_layer[static_cast<std::size_t>(layer.node)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    node_feeds[n] = std::ranges::any_of(node.outputs, [&](ValueId v) {
      return v != kNoValue && value_feeds[static_cast<std::size_t>(v)];
    });
    for (const ValueId v : node.inputs) {
      if (v != kNoValue && (node_feeds[n] || is_layer[n]))
        value_feeds[static_cast<std::size_t>(v)] = true;
    }
  }
  return node_feeds;
}

/// Disjoint sets; the smallest member stands for its set.
class Sets {
 public:
  explicit Sets(std::size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), 0); }
  int find(int i) {
    while (at(i) != i) i = at(i) = at(at(i));
    return i;
  }
  void join(int a, int b) {
    a = find(a);
    b = find(b);
    at(std::max(a, b)) = std::min(a, b);
  }

 private:
  int& at(int i) { return parent_[static_cast<std::size_t>(i)]; }
  std::vector<int> parent_;
};

}  // namespace

std::vector<std::vector<int>> find_ties(const Graph& graph, std::span<const Layer> layers) {
  const Sources sources(graph, layers);
  const std::vector<bool> matters = feeds_a_layer(graph, layers);
  Sets sets(layers.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (!matters[n] || (node.op != "Add" && node.op != "Concat")) continue;
    const std::set<int>& joined = sources.of(node.outputs.at(0));
    for (const int layer : joined) sets.join(*joined.begin(), layer);
  }
  std::map<int, std::vector<int>> groups;
  for (int i = 0; i < static_cast<int>(layers.size()); ++i) groups[sets.find(i)].push_back(i);
  std::vector<std::vector<int>> ties;
  for (auto& [leader, members] : groups) {
    if (members.size() > 1) ties.push_back(std::move(members));
  }
  return ties;
}

std::vector<int> leaders_of(std::span<const std::vector<int>> ties,
                            std::size_t layers,
                            std::span<const int> untied) {
  std::vector<int> leader(layers);
  std::iota(leader.begin(), leader.end(), 0);
  for (const std::vector<int>& members : ties) {
    int first = -1;
    for (const int i : members) {
      QSWEEP_CHECK(i >= 0 && static_cast<std::size_t>(i) < layers);
      if (std::ranges::find(untied, i) != untied.end()) continue;
      if (first < 0) first = i;
      leader[static_cast<std::size_t>(i)] = first;
    }
  }
  return leader;
}

}  // namespace qsweep
