#pragma once

#include <string>

#include <onnx/onnx_pb.h>

#include "src/graph/graph.h"

#include "io/onnx/detail/external_data.h"

namespace qsweep::detail {

/// The graph of a parsed model: opset checked, names resolved, nodes sorted and named, weights
/// finite. Takes the tensors' bytes out of `model` as it goes, so that they are not held twice.
/// @param name of the file, for messages
[[nodiscard]] Graph read_graph(onnx::ModelProto& model,
                               ExternalData& external,
                               const std::string& name);

}  // namespace qsweep::detail
