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
  if (!producer) return false;
  const std::string& op = graph.node(producer).op;
  return op == "Sigmoid" || op == "HardSigmoid" || op == "Softmax";
}

/// The layers whose results a value is made of.
class Sources {
 public:
  Sources(const Graph& graph, std::span<const Layer> layers) : by_value_(graph.values.size()) {
    std::vector<LayerId> layer_of(graph.nodes.size());
    for (const LayerId layer : ids<LayerId>(layers.size()))
      layer_of[layers[layer.index()].node.index()] = layer;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      std::set<LayerId> made_of;
      if (layer_of[n]) {
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

  [[nodiscard]] const std::set<LayerId>& of(ValueId v) const {
    return by_value_[static_cast<std::size_t>(v)];
  }

 private:
  std::vector<std::set<LayerId>> by_value_;
};

/// Nodes that some layer reads from, at once or through others.
std::vector<bool> feeds_a_layer(const Graph& graph, std::span<const Layer> layers) {
  std::vector<bool> node_feeds(graph.nodes.size(), false), value_feeds(graph.values.size(), false);
  std::vector<bool> is_layer(graph.nodes.size(), false);
  for (const Layer& layer : layers) is_layer[layer.node.index()] = true;
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
  explicit Sets(std::size_t n) : parent_(n) {
    std::iota(parent_.begin(), parent_.end(), LayerId(0));
  }
  LayerId find(LayerId i) {
    while (at(i) != i) i = at(i) = at(at(i));
    return i;
  }
  void join(LayerId a, LayerId b) {
    a = find(a);
    b = find(b);
    at(std::max(a, b)) = std::min(a, b);
  }

 private:
  LayerId& at(LayerId i) { return parent_[i.index()]; }
  std::vector<LayerId> parent_;
};

}  // namespace

std::vector<std::vector<LayerId>> find_ties(const Graph& graph, std::span<const Layer> layers) {
  const Sources sources(graph, layers);
  const std::vector<bool> matters = feeds_a_layer(graph, layers);
  Sets sets(layers.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (!matters[n] || (node.op != "Add" && node.op != "Concat")) continue;
    const std::set<LayerId>& joined = sources.of(node.outputs.at(0));
    for (const LayerId layer : joined) sets.join(*joined.begin(), layer);
  }
  std::map<LayerId, std::vector<LayerId>> groups;
  for (const LayerId layer : ids<LayerId>(layers.size())) groups[sets.find(layer)].push_back(layer);
  std::vector<std::vector<LayerId>> ties;
  for (auto& [leader, members] : groups) {
    if (members.size() > 1) ties.push_back(std::move(members));
  }
  return ties;
}

std::vector<LayerId> leaders_of(std::span<const std::vector<LayerId>> ties,
                                std::size_t layers,
                                std::span<const LayerId> untied) {
  std::vector<LayerId> leader(layers);
  std::iota(leader.begin(), leader.end(), LayerId(0));
  for (const std::vector<LayerId>& members : ties) {
    LayerId first;
    for (const LayerId i : members) {
      QSWEEP_CHECK(i.index() < layers);
      if (std::ranges::find(untied, i) != untied.end()) continue;
      if (!first) first = i;
      leader[i.index()] = first;
    }
  }
  return leader;
}

}  // namespace qsweep
