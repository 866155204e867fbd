#pragma once

#include <initializer_list>
#include <vector>

#include "src/base/ids.h"

namespace qsweep::test {

/// Layers by their numbers; -1 is none.
inline std::vector<LayerId> layer_ids(std::initializer_list<int> numbers) {
  std::vector<LayerId> layers;
  for (const int number : numbers) layers.emplace_back(number);
  return layers;
}

}  // namespace qsweep::test
