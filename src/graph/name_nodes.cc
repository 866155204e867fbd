#include <map>
#include <set>
#include <string>

#include "src/graph/passes.h"

namespace qsweep {

void name_nodes(Graph& graph) {
  // Names that stand in the file are settled first, so that a made-up one never takes them.
  std::set<std::string> taken;
  std::vector<bool> settled(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::string& name = graph.nodes[n].name;
    settled[n] = !name.empty() && taken.insert(name).second;
  }
  std::map<std::string, int> repeats;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (settled[n]) continue;
    Node& node = graph.nodes[n];
    const std::string base = node.name.empty() ? node.op + "_" + std::to_string(n) : node.name;
    // Only an unnamed node may use its base as it is: a repeated name is taken already.
    std::string candidate = base;
    while (!taken.insert(candidate).second) {
      candidate = base + "#" + std::to_string(++repeats.try_emplace(base, 1).first->second);
    }
    node.name = candidate;
  }
}

}  // namespace qsweep
