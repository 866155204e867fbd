#include <cstddef>
#include <cstdint>

#include "src/base/error.h"

#include "src/graph/layers.h"
#include "src/graph/passes.h"

#include "io/onnx/import.h"

/// Any bytes: import and all passes either succeed or throw Error other than `internal`.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    qsweep::Graph graph =
        qsweep::import_onnx_bytes(std::as_bytes(std::span(data, size)), {}, "fuzz.onnx").graph;
    qsweep::fold_constants(
        graph,
        [](const qsweep::Node&, int,
           std::span<const qsweep::Tensor>) -> std::vector<qsweep::Tensor> { return {}; });
    qsweep::fuse_patterns(graph);
    qsweep::fold_batch_norm(graph);
    qsweep::remove_dead(graph);
    qsweep::check(graph);
    static_cast<void>(qsweep::find_layers(graph));
  } catch (const qsweep::Error& error) {
    if (error.code() == qsweep::ErrorCode::internal) throw;
  }
  return 0;
}
