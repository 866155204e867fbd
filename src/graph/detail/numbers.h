#pragma once

#include <vector>

#include "src/tensor/tensor.h"

namespace qsweep::detail {

/// True for the element types the folding passes compute on.
[[nodiscard]] bool is_foldable(const Tensor& tensor);

/// The elements of a foldable tensor.
[[nodiscard]] std::vector<double> to_doubles(const Tensor& tensor);

/// A tensor of these elements, each rounded once to `dtype`.
[[nodiscard]] Tensor from_doubles(DType dtype, Shape shape, const std::vector<double>& values);

}  // namespace qsweep::detail
