#include "src/quant/detail/runs.h"

namespace qsweep::detail {

Cut::Cut(const Shape& shape, const Format& format, int axis) : granularity(format.granularity) {
  if (granularity == Granularity::per_tensor) {
    extent = block = static_cast<std::size_t>(element_count(shape));
    return;
  }
  QSWEEP_CHECK(axis >= 0 && static_cast<std::size_t>(axis) < shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto n = static_cast<std::size_t>(shape[i]);
    const auto at = static_cast<std::size_t>(axis);
    (i < at ? outer : i > at ? inner : extent) *= n;
  }
  if (granularity == Granularity::per_block) {
    QSWEEP_CHECK(format.block_size > 0);
    block = static_cast<std::size_t>(format.block_size);
  }
  blocks = (extent + block - 1) / block;
}

}  // namespace qsweep::detail
