#include "io/onnx/detail/model_notes.h"

#include <set>

namespace qsweep::detail {
namespace {

ModelNotes::Port read_port(const onnx::ValueInfoProto& info) {
  ModelNotes::Port port;
  port.doc = info.doc_string();
  const auto& type = info.type().tensor_type();
  port.type = static_cast<OnnxType>(type.elem_type());
  for (const auto& extent : type.shape().dim()) port.extents.push_back(extent.dim_param());
  return port;
}

void write_port(const ModelNotes& notes, onnx::ValueInfoProto& info) {
  const auto known = notes.ports.find(info.name());
  if (known == notes.ports.end()) return;
  if (!known->second.doc.empty()) info.set_doc_string(known->second.doc);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  if (!type.has_shape()) return;
  auto& extents = *type.mutable_shape();
  for (int i = 0; i < extents.dim_size(); ++i) {
    const auto place = static_cast<std::size_t>(i);
    if (extents.dim(i).has_dim_value() || place >= known->second.extents.size()) continue;
    const std::string& name = known->second.extents[place];
    if (!name.empty()) extents.mutable_dim(i)->set_dim_param(name);
  }
}

}  // namespace

ModelNotes read_notes(const onnx::ModelProto& model) {
  ModelNotes notes;
  for (const auto& property : model.metadata_props())
    notes.properties.emplace_back(property.key(), property.value());
  notes.doc = model.doc_string();
  notes.graph_doc = model.graph().doc_string();
  notes.domain = model.domain();
  notes.version = model.model_version();
  for (const auto& input : model.graph().input()) notes.ports[input.name()] = read_port(input);
  for (const auto& output : model.graph().output()) notes.ports[output.name()] = read_port(output);
  for (const auto& node : model.graph().node()) {
    if (!node.doc_string().empty() && node.output_size() > 0)
      notes.docs[node.output(0)] = node.doc_string();
  }
  return notes;
}

void write_notes(const ModelNotes& notes, onnx::ModelProto& model) {
  std::set<std::string> own;
  for (const auto& property : model.metadata_props()) own.insert(property.key());
  for (const auto& [key, value] : notes.properties) {
    if (own.contains(key)) continue;
    auto& property = *model.add_metadata_props();
    property.set_key(key);
    property.set_value(value);
  }
  if (!notes.doc.empty()) model.set_doc_string(notes.doc);
  if (!notes.domain.empty()) model.set_domain(notes.domain);
  if (notes.version != 0) model.set_model_version(notes.version);
  auto& graph = *model.mutable_graph();
  if (!notes.graph_doc.empty()) graph.set_doc_string(notes.graph_doc);
  for (auto& input : *graph.mutable_input()) write_port(notes, input);
  for (auto& output : *graph.mutable_output()) write_port(notes, output);
  for (auto& node : *graph.mutable_node()) {
    const auto doc = node.output_size() > 0 ? notes.docs.find(node.output(0)) : notes.docs.end();
    if (doc != notes.docs.end()) node.set_doc_string(doc->second);
  }
}

}  // namespace qsweep::detail
