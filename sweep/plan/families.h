#pragma once

#include <span>
#include <string>
#include <vector>

#include "sweep/plan/scheme.h"

namespace qsweep {

/// Top-K family: the K most sensitive layers keep `keep`, the others get `rest` (R150).
struct TopKFamily {
  std::uint8_t rest = 0;        ///< precision
  std::uint8_t keep = 0;        ///< precision
  std::vector<std::int64_t> k;  ///< -1 = all layers; values over the number of layers are clamped
  bool every = false;           ///< 0..L instead of k
};

/// The family's schemes, in the order of k. `ranking` lists layer indices, most sensitive first;
/// layers it leaves out (their probe failed) come before all others: nothing says they are safe.
/// With `leaders` (leaders_of()) the ranking lists leaders, K counts them, and a layer gets what
/// its leader gets.
[[nodiscard]] std::vector<Scheme> enumerate_family(const TopKFamily& family,
                                                   std::span<const LayerId> ranking,
                                                   std::span<const Layer> layers,
                                                   const PrecisionSet& precisions,
                                                   std::string_view settings,
                                                   std::span<const LayerId> leaders = {});

/// Every assignment of the chosen precisions to the layers that vary; the others get `rest`.
struct SchemeSpace {
  std::vector<std::uint8_t> choices;  ///< precisions, each once
  std::vector<LayerId> layers;        ///< those that vary, ascending
  std::uint8_t rest = 0;              ///< precision
};
/// @throws Error(config) when the space has more than `most` schemes, with their number
void check_size(const SchemeSpace& space, std::int64_t most);

/// The schemes of a space, in lexicographic order: the last layer's precision changes fastest.
[[nodiscard]] std::vector<Scheme> enumerate_space(const SchemeSpace& space,
                                                  std::span<const Layer> layers,
                                                  const PrecisionSet& precisions,
                                                  std::string_view settings);

/// Drops schemes whose id occurred before; names of the dropped are appended to the one kept
/// (R164).
[[nodiscard]] std::vector<Scheme> deduplicate(std::vector<Scheme> schemes);

/// Uniform reference schemes (R155): FP32 and one per precision in `precisions`.
[[nodiscard]] std::vector<Scheme> uniform_schemes(std::span<const Layer> layers,
                                                  const PrecisionSet& precisions,
                                                  std::string_view settings);

}  // namespace qsweep
