#include "io/onnx/export.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "src/base/error.h"
#include "src/base/machine.h"

#include "io/onnx/detail/graph_writer.h"
#include "io/onnx/detail/half.h"
#include "io/onnx/detail/model_notes.h"
#include "io/onnx/detail/opset.h"
#include "io/onnx/detail/port_types.h"
#include "io/onnx/detail/upgrade.h"
#include "io/onnx/detail/value_types.h"
#include "io/onnx/element_type.h"

namespace qsweep {
namespace {

/// The opset a layer needs, and the format that needs it.
struct Need {
  int opset = 0;
  Format format;
};

Need need_of(const LayerExport& layer, const ExportOptions& options) {
  Format weight = layer.weight.params.format;
  if (weight.dtype == DType::i4 && detail::is_int4_in_int8(layer, options))
    weight.dtype = DType::i8;
  const Format& activation = layer.activation.format;
  const Need of_weight{detail::least_opset(weight), weight};
  const Need of_activation{detail::least_opset(activation), activation};
  return of_weight.opset >= of_activation.opset ? of_weight : of_activation;
}

std::string describe(const Format& format) {
  std::string text(name_of(format.dtype));
  if (format.granularity == Granularity::per_block)
    text += fmt::format(" in blocks of {}", format.block_size);
  return text;
}

/// GroupNormalization has one valid form, that of opset 21: ONNX deprecated the one of 18.
/// @throws Error(config) when `asked` (0: none) is older
int opset_of_groups(const Graph& graph, int asked) {
  constexpr int kGroups = 21;
  for (const Node& node : graph.nodes) {
    if (node.op != "GroupNormalization" || !node.domain.empty()) continue;
    if (asked != 0 && asked < kGroups) {
      throw Error(
          ErrorCode::config,
          fmt::format("GroupNormalization has no valid form before opset {}, and {} was asked for",
                      kGroups, asked),
          node.name, fmt::format("Use --opset {}", kGroups));
    }
    return kGroups;
  }
  return 0;
}

/// The file's opset; says which layer asks for too much.
int choose_opset(const Graph& graph,
                 std::span<const Layer> layers,
                 std::span<const LayerExport> exports,
                 const ExportOptions& options) {
  int opset = std::max({graph.opset, options.opset, opset_of_groups(graph, options.opset)});
  const int limit = options.opset == 0 ? detail::kNewestOpset : options.opset;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Format& activation = exports[i].activation.format;
    if (has_scale(activation) && activation.granularity != Granularity::per_tensor) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("activations of {} cannot be written in this version", describe(activation)),
          layers[i].name, "Choose another precision for it");
    }
    const Need need = need_of(exports[i], options);
    if (need.opset > detail::kNewestOpset) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{} needs opset {}, which is not written in this version",
                              describe(need.format), need.opset),
                  layers[i].name, "Choose another precision for it");
    }
    if (need.opset > limit) {
      const bool is_int4 = need.format.dtype == DType::i4;
      throw Error(ErrorCode::config,
                  fmt::format("{} needs opset {}, and {} was asked for", describe(need.format),
                              need.opset, options.opset),
                  layers[i].name,
                  is_int4 ? "Use --int4-as-int8 or a newer --opset" : "Use a newer --opset");
    }
    opset = std::max(opset, need.opset);
    // With opset 19 ONNX Runtime's default optimizations compute something else: see GraphWriter.
    const bool is_float8 =
        has_scale(exports[i].activation.format) && !is_integer(exports[i].activation.format.dtype);
    if (is_float8 && options.opset == 0) opset = std::max(opset, detail::kTypeAttributeOpset);
  }
  if (options.opset == 0 || options.opset == graph.opset) return opset;
  if (options.opset < graph.opset || options.opset > detail::kNewestOpset) {
    throw Error(ErrorCode::config,
                fmt::format("opset {} was asked for; this model can be written in {} to {}",
                            options.opset, graph.opset, detail::kNewestOpset),
                graph.name, "Choose --opset among them");
  }
  return opset;
}

void add_property(onnx::ModelProto& model, const std::string& key, const std::string& value) {
  if (value.empty()) return;
  auto& property = *model.add_metadata_props();
  property.set_key(key);
  property.set_value(value);
}

/// Shape arithmetic reads small constants before files beside the model are open.
constexpr std::size_t kLeastExternalBytes = 1024;
constexpr std::size_t kExternalAlignment = 64;

void require_half(std::span<const Layer> layers, std::span<const LayerExport> exports) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto is_half = [](const Format& f) { return f.dtype == DType::f16; };
    if (!is_half(exports[i].activation.format) || !is_half(exports[i].weight.params.format)) {
      throw Error(ErrorCode::config, "a model in FP16 has no layer in another precision",
                  layers[i].name, "Choose --scheme '*=FP16', or --format qdq");
    }
    if (exports[i].bias.size() > 0) {
      throw Error(ErrorCode::config, "a model in FP16 keeps its biases: none is corrected",
                  layers[i].name, "Leave out bias correction, or choose --format qdq");
    }
  }
}

/// What a model takes and gives: FP16 and BF16 as its file says, although all computes in FP32.
std::map<std::string, DType> types_of_ports(const Graph& graph, const ModelNotes& notes) {
  std::map<std::string, DType> types;
  for (const auto& ids : {graph.inputs, graph.outputs}) {
    for (const ValueId id : ids) {
      const Value& value = graph.value(id);
      const auto port = notes.ports.find(value.name);
      const auto told = port == notes.ports.end() ? std::nullopt : dtype_of(port->second.type);
      const bool is_half = told == DType::f16 || told == DType::bf16;
      types[value.name] = is_half && value.dtype == DType::f32 ? *told : value.dtype;
    }
  }
  return types;
}

/// Moves the larger constants of the model into `external`.
void move_constants(onnx::GraphProto& graph, const std::string& file, Bytes& external) {
  const auto set = [](onnx::TensorProto& tensor, const char* key, const std::string& value) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  for (auto& tensor : *graph.mutable_initializer()) {
    const std::string& elements = tensor.raw_data();
    if (elements.size() < kLeastExternalBytes) continue;
    const std::size_t offset =
        (external.size() + kExternalAlignment - 1) / kExternalAlignment * kExternalAlignment;
    external.resize(offset + elements.size());
    std::ranges::copy(std::as_bytes(std::span(elements)),
                      external.begin() + static_cast<std::ptrdiff_t>(offset));
    set(tensor, "location", file);
    set(tensor, "offset", std::to_string(offset));
    set(tensor, "length", std::to_string(elements.size()));
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    tensor.clear_raw_data();
  }
}

}  // namespace

ExportedModel export_onnx(const Graph& graph,
                          std::span<const Layer> layers,
                          std::span<const LayerExport> exports,
                          const ExportOptions& options,
                          std::span<const ValueExport> values) {
  QSWEEP_CHECK(layers.size() == exports.size());
  ExportedModel out;
  out.opset = choose_opset(graph, layers, exports, options);
  out.ir_version = detail::ir_version_of(out.opset);
  Graph upgraded = graph;
  detail::infer_types(upgraded);
  const std::map<std::string, DType> port_types = types_of_ports(upgraded, options.notes);
  detail::upgrade_opset(upgraded, out.opset);
  const LayerExport unchanged;
  if (options.half_graph) {
    require_half(layers, exports);
    detail::to_half(upgraded);
  }
  detail::cast_ports(upgraded, port_types);

  onnx::ModelProto model;
  model.set_ir_version(out.ir_version);
  model.set_producer_name("qsweep");
  model.set_producer_version(version());
  add_property(model, "qsweep.source_sha256", options.source_sha256);
  add_property(model, "qsweep.scheme", options.scheme);
  add_property(model, "qsweep.scheme_id", options.scheme_id);
  auto& import = *model.add_opset_import();
  import.set_domain("");
  import.set_version(out.opset);

  // Upgrading moves nodes; their names stay.
  std::map<std::string, detail::LayerPlan> plans;
  for (std::size_t i = 0; i < layers.size(); ++i)
    plans[layers[i].name] = {&layers[i], options.half_graph ? &unchanged : &exports[i]};
  detail::GraphWriter(upgraded, plans, values, options, *model.mutable_graph()).write(out);
  detail::write_notes(options.notes, model);

  constexpr auto kLargestFile = static_cast<std::size_t>(std::numeric_limits<int>::max());
  const bool is_large = model.ByteSizeLong() > kLargestFile;
  if ((is_large || options.external_data) && !options.external_name.empty())
    move_constants(*model.mutable_graph(), options.external_name, out.external);
  if (model.ByteSizeLong() > kLargestFile) {
    throw Error(ErrorCode::unsupported, "the exported model would be larger than 2 GiB",
                graph.name);
  }
  out.bytes.resize(model.ByteSizeLong());
  if (!model.SerializeToArray(out.bytes.data(), static_cast<int>(out.bytes.size())))
    throw Error(ErrorCode::internal, "the model could not be serialized", graph.name);
  return out;
}

}  // namespace qsweep
