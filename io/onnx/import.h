#pragma once

#include <filesystem>
#include <string>

#include "src/base/bytes.h"

#include "src/graph/graph.h"

#include "io/onnx/notes.h"

namespace qsweep {

/// A model file as read: the graph as it stands in the file (nothing folded), and where it came
/// from.
struct ImportedModel {
  Graph graph;
  std::string sha256;  ///< of the file's bytes (R003)
  std::string
      external_sha256;  ///< of the external data read, in tensor order; empty when there is none
  std::int64_t file_bytes = 0;
  int ir_version = 0;
  std::string producer;
  ModelNotes notes;
};

/// Reads an ONNX file (opset 9 to 21, default domain). Initializers also listed as inputs are
/// constants; external data is read from the model's folder only (that of the file itself when
/// `path` is a symbolic link); Constant nodes become constants. float16 and bfloat16 initializers
/// keep their type. Nodes are sorted when the file lists them out of order. Operators of other
/// domains and those with subgraphs are kept, for whoever runs the graph to refuse by name: a
/// subgraph shows as a string attribute. NaN weights are refused with tensor and index, infinite
/// ones too unless only Where, Clip, Pad, Min, Max or Add (masks and bounds) read them. Sizes are
/// checked against the file before anything is allocated.
/// @throws Error(io) missing file or broken symbolic link, by name (R001); Error(corrupt_input)
/// truncated or
///         inconsistent; Error(unsupported) opset or element type; Error(numeric) NaN or infinite
///         weights.
[[nodiscard]] ImportedModel import_onnx(const std::filesystem::path& path);

/// The same for a file's contents.
/// @param folder for external data; empty refuses it
/// @param name   for messages
[[nodiscard]] ImportedModel import_onnx_bytes(ByteView bytes,
                                              const std::filesystem::path& folder,
                                              const std::string& name);

}  // namespace qsweep
