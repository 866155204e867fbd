#pragma once

#include <string>

#include <onnx/onnx_pb.h>

#include "src/tensor/tensor.h"

#include "io/onnx/detail/external_data.h"

namespace qsweep::detail {

/// The elements of a TensorProto: raw bytes, one of the typed fields, or an external file. Four-bit
/// types come unpacked, one value to a byte. Everything is compared with the extents before it is
/// allocated.
/// @param where for messages, names the file and the tensor
/// @throws Error(unsupported) element type; Error(corrupt_input) sizes that do not agree
[[nodiscard]] Tensor read_tensor(const onnx::TensorProto& proto,
                                 ExternalData& external,
                                 const std::string& where);

}  // namespace qsweep::detail
