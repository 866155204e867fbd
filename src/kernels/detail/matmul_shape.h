#pragma once

#include "src/kernels/detail/operator.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {

/// The extents of a MatMul of [..., m, k] by [..., k, n] after numpy's rules: a vector on the left
/// is a row, on the right a column, whose added axis the result drops again; leading axes
/// broadcast.
struct MatMulShape {
  std::int64_t m = 0, k = 0, n = 0;
  Shape result;
  /// Over the matrices of left operand, right operand and result, in elements of each.
  StridedLoop<3> batches;
};

/// @throws Error(corrupt_input) naming the node when the operands do not fit each other.
[[nodiscard]] MatMulShape matmul_shape(const OpCall& call, const Shape& left, const Shape& right);

}  // namespace qsweep::detail
