#pragma once

#include <onnx/onnx_pb.h>

#include "io/onnx/notes.h"

namespace qsweep::detail {

/// Of the file as it was read.
[[nodiscard]] ModelNotes read_notes(const onnx::ModelProto& model);

/// Writes them into a finished model: inputs, outputs and nodes are found by name. Properties that
/// the model has already are its own.
void write_notes(const ModelNotes& notes, onnx::ModelProto& model);

}  // namespace qsweep::detail
