#pragma once

#include <string>

#include <onnx/onnx_pb.h>

#include "src/tensor/tensor.h"

namespace qsweep::detail {

/// Writes elements as raw_data (little-endian; four-bit ones packed, the first in the low half).
void write_tensor(const Tensor& tensor, const std::string& name, onnx::TensorProto& into);

}  // namespace qsweep::detail
