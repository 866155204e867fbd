#pragma once

#include <cstdint>
#include <optional>

#include "src/tensor/tensor.h"

namespace qsweep::detail {

struct NonFinite {
  std::int64_t index = 0;
  bool is_nan = false;
};

/// The first NaN of a tensor, or the first NaN or infinity when `infinity_counts`; nothing in
/// integers.
[[nodiscard]] std::optional<NonFinite> find_non_finite(const Tensor& tensor, bool infinity_counts);

}  // namespace qsweep::detail
