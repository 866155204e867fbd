#include "sweep/plan/groups.h"

#include <algorithm>

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

}  // namespace

std::vector<GroupSensitivity> group_sensitivity(std::span<const Layer> layers,
                                                std::span<const double> work_share,
                                                std::span<const SensitivityRecord> records) {
  QSWEEP_CHECK(work_share.size() == layers.size());
  std::vector<GroupSensitivity> groups;
  std::vector<std::size_t> group_of;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto at = std::find_if(groups.begin(), groups.end(),
                           [&](const auto& g) { return g.name == layers[i].group; });
    if (at == groups.end()) {
      groups.push_back({});
      at = groups.end() - 1;
      at->name = layers[i].group;
    }
    ++at->layers;
    at->work_share += work_share[i];
    group_of.push_back(static_cast<std::size_t>(at - groups.begin()));
  }
  std::vector<int> probes(groups.size(), 0);
  for (const SensitivityRecord& r : records) {
    if (r.mode != "only") continue;
    const std::size_t group = group_of.at(static_cast<std::size_t>(r.layer));
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
  return groups;
}

}  // namespace qsweep
