#pragma once

#include <cstdint>
#include <optional>

#include "src/tensor/dtype.h"

namespace qsweep {

/// The element type of a number of ONNX's TensorProto.DataType (1.18), as attributes such as Cast's
/// `to` and QuantizeLinear's `output_dtype` hold it. Nothing for types that tensors here cannot
/// have: strings, complex numbers, the float8 types FNUZ.
[[nodiscard]] std::optional<DType> dtype_of_onnx(std::int64_t type);

}  // namespace qsweep
