#pragma once

#include <cstddef>

#include "src/tensor/tensor.h"

#include "src/quant/format.h"

namespace qsweep::detail {

/// Consecutive elements of a row_major tensor and the slices they belong to; the elements of a
/// slice share a scale. Element at + i belongs to slice + i * stride.
struct Run {
  std::size_t at = 0;
  std::size_t count = 0;
  std::size_t slice = 0;
  std::size_t stride = 0;  ///< 0 or 1
};

/// How a shape is cut: [outer, extent, inner] around the axis that scales run along.
struct Cut {
  Cut(const Shape& shape, const Format& format, int axis);
  Granularity granularity;
  std::size_t outer = 1, extent = 1, inner = 1;
  std::size_t block = 1;   ///< elements of the axis in a slice
  std::size_t blocks = 1;  ///< slices along the axis, the last one may be shorter
  [[nodiscard]] std::size_t slices() const {
    return granularity == Granularity::per_block ? outer * blocks * inner : blocks;
  }
};

/// Calls f(Run) over all elements in order. Runs are never empty.
template <class F>
void for_each_run(const Cut& cut, F&& f) {
  if (cut.outer * cut.extent * cut.inner == 0) return;
  const std::size_t row = cut.extent * cut.inner;
  for (std::size_t o = 0; o < cut.outer; ++o) {
    const std::size_t first = cut.granularity == Granularity::per_block ? o * cut.blocks : 0;
    if (cut.granularity == Granularity::per_channel && cut.inner == 1) {
      f(Run{o * row, cut.extent, 0, 1});
    } else if (cut.granularity == Granularity::per_block && cut.inner > 1) {
      for (std::size_t k = 0; k < cut.extent; ++k)
        f(Run{o * row + k * cut.inner, cut.inner, (first + k / cut.block) * cut.inner, 1});
    } else {
      for (std::size_t k = 0; k < cut.extent; k += cut.block) {
        const std::size_t n = cut.extent - k < cut.block ? cut.extent - k : cut.block;
        f(Run{o * row + k * cut.inner, n * cut.inner, first + k / cut.block, 0});
      }
    }
  }
}

}  // namespace qsweep::detail
