#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/graph/layers.h"

namespace qsweep {

/// A layer's name with `.` between its parts: `/blocks.0/attn/qkv/MatMul` and
/// `blocks.0.attn.qkv.MatMul` are the same. Patterns are compared in this form too.
[[nodiscard]] std::string dotted(std::string_view name);

/// The layer that a PyTorch module name means: all of its parts occur in the layer's name in this
/// order (`model.2.m.0.cv1.conv` and `/model.2/m.0/cv1/conv/Conv`), and no layer with fewer other
/// parts has them too. Whole parts: `conv1` is not `conv10`.
/// @return the layers that fit equally well: none, one, or several when the name says too little
[[nodiscard]] std::vector<LayerId> layers_of_module(std::string_view module,
                                                    std::span<const Layer> layers);

/// Names of a list (a peer's sensitivity file, a PyTorch script) and the layers they mean.
struct ModuleMap {
  std::vector<LayerId> layer;               ///< by name; none where there is none or no single one
  std::vector<std::string> missing_layers;  ///< those names
};
[[nodiscard]] ModuleMap map_modules(std::span<const std::string> modules,
                                    std::span<const Layer> layers);

}  // namespace qsweep
