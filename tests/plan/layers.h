#pragma once

#include <string>
#include <vector>

#include "src/graph/layers.h"

namespace qsweep::test {

/// Layers as plan sees them: names and groups.
inline std::vector<Layer> layers_named(const std::vector<std::string>& names) {
  std::vector<Layer> layers;
  for (const std::string& name : names) {
    Layer layer;
    layer.name = name;
    layer.op = "Conv";
    layer.group = group_of(name);
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace qsweep::test
