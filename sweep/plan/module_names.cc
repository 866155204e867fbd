#include "sweep/plan/module_names.h"

#include <limits>

#include "src/base/text.h"

namespace qsweep {

std::string dotted(std::string_view name) {
  while (!name.empty() && (name.front() == '/' || name.front() == '.')) name.remove_prefix(1);
  std::string text(name);
  for (char& c : text) c = c == '/' ? '.' : c;
  return text;
}

std::vector<LayerId> layers_of_module(std::string_view module, std::span<const Layer> layers) {
  const std::vector<std::string> wanted = split(dotted(module), '.');
  std::vector<LayerId> best;
  std::size_t fewest = std::numeric_limits<std::size_t>::max();
  for (const LayerId layer : ids<LayerId>(layers.size())) {
    const std::vector<std::string> parts = split(dotted(layers[layer.index()].name), '.');
    std::size_t found = 0;
    for (const std::string& part : parts) {
      if (found < wanted.size() && part == wanted[found]) ++found;
    }
    if (found < wanted.size()) continue;
    const std::size_t others = parts.size() - wanted.size();
    if (others > fewest) continue;
    if (others < fewest) best.clear();
    fewest = others;
    best.push_back(layer);
  }
  return best;
}

ModuleMap map_modules(std::span<const std::string> modules, std::span<const Layer> layers) {
  ModuleMap map;
  for (const std::string& module : modules) {
    const std::vector<LayerId> found = layers_of_module(module, layers);
    map.layer.push_back(found.size() == 1 ? found[0] : LayerId());
    if (found.size() != 1) map.missing_layers.push_back(module);
  }
  return map;
}

}  // namespace qsweep
