#include "sweep/plan/groups.h"

#include <algorithm>
#include <map>
#include <set>

#include "src/base/error.h"

namespace qsweep {
namespace {

/// Under this share of the work a sensitive group costs little to leave alone.
constexpr double kSmallShare = 0.05;

std::string recommend(SensitivityClass c, double share) {
  if (c == SensitivityClass::low) return "Quantize";
  if (c == SensitivityClass::medium)
    return share < kSmallShare ? "Keep higher precision: little to gain" : "Test in combination";
  return share < kSmallShare ? "Keep higher precision: little to gain"
                             : "Keep higher precision, or search a milder format";
}

/// What of a block a layer is, across blocks; empty: nothing named.
std::string kind_of(const Layer& layer) {
  if (layer.is_depthwise) return "all depthwise";
  const std::string block = layer.group.substr(layer.group.rfind('.') + 1);
  if (block.find("attn") != std::string::npos || block.find("attention") != std::string::npos)
    return "all attention";
  return block == "mlp" ? "all MLP" : "";
}

/// The layers under each name, in order of their first layer; layers without a name are left out.
std::vector<GroupSensitivity> collect(std::span<const std::string> names,
                                      std::span<const double> work_share,
                                      std::span<const SensitivityRecord> records) {
  std::vector<GroupSensitivity> groups;
  std::vector<std::size_t> group_of;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto at = std::ranges::find(groups, names[i], &GroupSensitivity::name);
    if (at == groups.end()) {
      groups.emplace_back().name = names[i];
      at = groups.end() - 1;
    }
    ++at->layers;
    at->work_share += work_share[i];
    group_of.push_back(static_cast<std::size_t>(at - groups.begin()));
  }
  std::vector<int> probes(groups.size(), 0);
  for (const SensitivityRecord& r : records) {
    if (r.mode != SensitivityMode::only) continue;
    const std::size_t group = group_of.at(r.layer.index());
    GroupSensitivity& g = groups[group];
    ++probes[group];
    g.mean_drop += r.metric_drop;
    g.worst_drop = std::max(g.worst_drop, r.metric_drop);
    g.worst_kl = std::max(g.worst_kl, r.kl);
    g.sensitivity = std::max(g.sensitivity, classify(r));
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i].mean_drop /= std::max(probes[i], 1);
    groups[i].recommendation = recommend(groups[i].sensitivity, groups[i].work_share);
  }
  std::erase_if(groups, [](const GroupSensitivity& g) { return g.name.empty(); });
  return groups;
}

}  // namespace

std::vector<GroupSensitivity> group_sensitivity(std::span<const Layer> layers,
                                                std::span<const double> work_share,
                                                std::span<const SensitivityRecord> records) {
  QSWEEP_CHECK(work_share.size() == layers.size());
  std::vector<std::string> blocks, kinds;
  std::map<std::string, std::set<std::string>> blocks_of;
  for (const Layer& layer : layers) {
    blocks.push_back(layer.group.empty() ? layer.name : layer.group);
    kinds.push_back(kind_of(layer));
    blocks_of[kinds.back()].insert(blocks.back());
  }
  std::vector<GroupSensitivity> groups = collect(blocks, work_share, records);
  for (GroupSensitivity& kind : collect(kinds, work_share, records)) {
    if (blocks_of[kind.name].size() > 1 && static_cast<std::size_t>(kind.layers) < layers.size())
      groups.push_back(std::move(kind));
  }
  return groups;
}

}  // namespace qsweep
