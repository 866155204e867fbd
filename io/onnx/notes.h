#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/onnx/element_type.h"

namespace qsweep {

/// What a model file says that nothing computes with: it goes into the files that are made from it.
struct ModelNotes {
  /// Of an input or an output.
  struct Port {
    OnnxType type = OnnxType::undefined;
    std::vector<std::string> extents;  ///< names of symbolic ones; empty where there is none
    std::string doc;
  };

  std::vector<std::pair<std::string, std::string>> properties;  ///< metadata_props, in order
  std::string doc, graph_doc, domain;
  std::int64_t version = 0;                 ///< model_version
  std::map<std::string, Port> ports;        ///< by name
  std::map<std::string, std::string> docs;  ///< of nodes, by the name of the first output
};

}  // namespace qsweep
