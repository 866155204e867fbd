#include "io/onnx/detail/graph_reader.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>

#include "src/graph/passes.h"

#include "io/onnx/detail/finite.h"
#include "io/onnx/detail/tensor_reader.h"
#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

constexpr int kOldestOpset = 9;
constexpr int kNewestOpset = 21;

/// `ai.onnx` is another spelling of the default domain.
std::string canonical_domain(const std::string& domain) {
  return domain == "ai.onnx" ? std::string() : domain;
}

int read_opset(const onnx::ModelProto& model, const std::string& file) {
  std::int64_t opset = 0;
  for (const auto& entry : model.opset_import()) {
    if (canonical_domain(entry.domain()).empty()) opset = std::max(opset, entry.version());
  }
  if (opset == 0) {
    throw Error(ErrorCode::corrupt_input, "the model does not say which opset it uses", file);
  }
  if (opset < kOldestOpset || opset > kNewestOpset) {
    throw Error(ErrorCode::unsupported, "opset " + std::to_string(opset) + " is not supported",
                file, "Export or convert the model to an opset from 9 to 21");
  }
  return static_cast<int>(opset);
}

/// Stands for an attribute that qsweep has no value for (a subgraph, a type). Its operator is kept,
/// so that it is reported by node name together with all others that cannot run.
std::string placeholder(const onnx::AttributeProto& attribute) {
  return "<" + onnx::AttributeProto::AttributeType_Name(attribute.type()) + ">";
}

/// Frees raw bytes that were copied, so that large models are not held twice.
void release_elements(onnx::TensorProto& proto) {
  std::string().swap(*proto.mutable_raw_data());
}

/// Builds one graph; used once.
class GraphReader {
 public:
  GraphReader(onnx::GraphProto& proto, ExternalData& external, std::string file)
      : proto_(proto), external_(external), file_(std::move(file)) {}

  Graph read(int opset) {
    graph_.name = proto_.name();
    graph_.opset = opset;
    if (proto_.node_size() == 0) fail("the graph has no nodes", {});
    if (proto_.output_size() == 0) fail("the graph has no outputs", {});
    if (proto_.sparse_initializer_size() != 0) {
      throw Error(ErrorCode::unsupported, "sparse initializers are not supported", file_);
    }
    read_initializers();
    read_inputs();
    read_nodes();
    read_outputs();
    read_value_infos();
    sort_nodes();
    name_nodes(graph_);
    require_finite_constants();
    return std::move(graph_);
  }

 private:
  [[nodiscard]] std::string at(const std::string& place) const {
    return place.empty() ? file_ : file_ + ", " + place;
  }
  [[noreturn]] void fail(const std::string& what, const std::string& place) const {
    throw Error(ErrorCode::corrupt_input, what, at(place));
  }

  /// How messages name a node, whether or not the file does.
  static std::string place_of(const onnx::NodeProto& node, int index) {
    if (!node.name().empty()) return "node '" + node.name() + "'";
    return node.op_type() + " node " + std::to_string(index);
  }

  ValueId define(const std::string& name, const std::string& place) {
    const auto id = static_cast<ValueId>(graph_.values.size());
    if (!ids_.try_emplace(name, id).second) fail("value '" + name + "' is defined twice", place);
    graph_.values.emplace_back().name = name;
    return id;
  }

  void define_constant(const std::string& name, Tensor tensor, const std::string& place) {
    Value& value = graph_.value(define(name, place));
    value.dtype = tensor.dtype();
    value.shape = tensor.shape();
    value.constant = std::move(tensor);
  }

  void read_initializers() {
    for (auto& initializer : *proto_.mutable_initializer()) {
      const std::string place = "tensor '" + initializer.name() + "'";
      if (initializer.name().empty()) fail("an initializer has no name", {});
      define_constant(initializer.name(), read_tensor(initializer, external_, at(place)), place);
      release_elements(initializer);
    }
  }

  void read_inputs() {
    for (const auto& input : proto_.input()) {
      const auto known = ids_.find(input.name());
      if (known != ids_.end() && graph_.is_constant(known->second)) continue;
      if (input.name().empty()) fail("an input has no name", {});
      const std::string place = "input '" + input.name() + "'";
      const ValueId id = define(input.name(), place);
      graph_.inputs.push_back(id);
      if (input.has_type() && !input.type().has_tensor_type()) {
        throw Error(ErrorCode::unsupported, "only tensors are supported as inputs", at(place));
      }
      if (!read_type(input, graph_.value(id))) {
        const auto type = static_cast<OnnxType>(input.type().tensor_type().elem_type());
        throw Error(ErrorCode::unsupported, "element type " + name_of(type) + " is not supported",
                    at(place));
      }
    }
  }

  /// Copies declared type and extents; false when the element type is not one of qsweep's.
  static bool read_type(const onnx::ValueInfoProto& info, Value& value) {
    if (!info.has_type() || !info.type().has_tensor_type()) return true;
    const auto& type = info.type().tensor_type();
    const std::optional<DType> dtype = dtype_of(static_cast<OnnxType>(type.elem_type()));
    if (!dtype) return false;
    value.dtype = *dtype;
    if (type.has_shape()) {
      Shape shape;
      for (const auto& dim : type.shape().dim()) {
        shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
      }
      value.shape = std::move(shape);
    }
    return true;
  }

  /// Two rounds, because a file need not be sorted: outputs become known first, then operands are
  /// found.
  void read_nodes() {
    std::vector<int> kept;
    for (int i = 0; i < proto_.node_size(); ++i) {
      onnx::NodeProto& source = *proto_.mutable_node(i);
      if (source.op_type().empty()) fail("a node has no operator", place_of(source, i));
      if (read_constant_node(source, i)) continue;
      graph_.nodes.push_back(read_node(source, i));
      kept.push_back(i);
    }
    for (std::size_t n = 0; n < kept.size(); ++n) {
      const onnx::NodeProto& source = proto_.node(kept[n]);
      for (const std::string& name : source.input()) {
        const auto known = ids_.find(name);
        if (!name.empty() && known == ids_.end()) {
          fail("nothing produces the operand '" + name + "'", place_of(source, kept[n]));
        }
        graph_.nodes[n].inputs.push_back(name.empty() ? kNoValue : known->second);
      }
    }
  }

  Node read_node(onnx::NodeProto& source, int index) {
    const std::string place = place_of(source, index);
    Node node;
    node.name = node.source_name = source.name();
    node.op = source.op_type();
    node.domain = canonical_domain(source.domain());
    for (auto& attribute : *source.mutable_attribute()) {
      if (node.attributes.has(attribute.name())) {
        fail("attribute '" + attribute.name() + "' is given twice", place);
      }
      node.attributes.set(attribute.name(), read_attribute(attribute, place));
    }
    for (const std::string& name : source.output()) {
      node.outputs.push_back(name.empty() ? kNoValue : define(name, place));
    }
    return node;
  }

  Attributes::Value read_attribute(onnx::AttributeProto& attribute, const std::string& place) {
    switch (attribute.type()) {
      case onnx::AttributeProto::INT:
        return attribute.i();
      case onnx::AttributeProto::FLOAT:
        return attribute.f();
      case onnx::AttributeProto::STRING:
        return attribute.s();
      case onnx::AttributeProto::INTS:
        return std::vector<std::int64_t>(attribute.ints().begin(), attribute.ints().end());
      case onnx::AttributeProto::FLOATS:
        return std::vector<float>(attribute.floats().begin(), attribute.floats().end());
      case onnx::AttributeProto::STRINGS:
        return std::vector<std::string>(attribute.strings().begin(), attribute.strings().end());
      case onnx::AttributeProto::TENSOR: {
        Tensor tensor = read_tensor(attribute.t(), external_,
                                    at(place + ", attribute '" + attribute.name() + "'"));
        release_elements(*attribute.mutable_t());
        return tensor;
      }
      case onnx::AttributeProto::UNDEFINED:
        fail("attribute '" + attribute.name() + "' has no type", place);
      default:
        return placeholder(attribute);
    }
  }

  /// Constant has exactly one attribute, which is its value. False for forms that hold no tensor of
  /// ours; such a node stays and is reported like any other operator that cannot run.
  bool read_constant_node(onnx::NodeProto& source, int index) {
    if (source.op_type() != "Constant" || !canonical_domain(source.domain()).empty()) return false;
    if (source.attribute_size() != 1 || source.output_size() != 1 || source.output(0).empty()) {
      return false;
    }
    const std::string place = place_of(source, index);
    auto& attribute = *source.mutable_attribute(0);
    const std::string& kind = attribute.name();
    Attributes::Value value = read_attribute(attribute, place);
    std::optional<Tensor> tensor;
    if (kind == "value" && std::holds_alternative<Tensor>(value)) {
      tensor = std::get<Tensor>(std::move(value));
    } else if (kind == "value_float" && std::holds_alternative<float>(value)) {
      tensor = Tensor::of<float>(DType::f32, {}, std::span(&std::get<float>(value), 1));
    } else if (kind == "value_int" && std::holds_alternative<std::int64_t>(value)) {
      tensor =
          Tensor::of<std::int64_t>(DType::i64, {}, std::span(&std::get<std::int64_t>(value), 1));
    } else if (kind == "value_floats" && std::holds_alternative<std::vector<float>>(value)) {
      const auto& list = std::get<std::vector<float>>(value);
      tensor = Tensor::of<float>(DType::f32, {std::ssize(list)}, list);
    } else if (kind == "value_ints" && std::holds_alternative<std::vector<std::int64_t>>(value)) {
      const auto& list = std::get<std::vector<std::int64_t>>(value);
      tensor = Tensor::of<std::int64_t>(DType::i64, {std::ssize(list)}, list);
    }
    if (!tensor) return false;
    define_constant(source.output(0), std::move(*tensor), place);
    return true;
  }

  void read_outputs() {
    for (const auto& output : proto_.output()) {
      const auto known = ids_.find(output.name());
      if (known == ids_.end()) fail("nothing produces the output '" + output.name() + "'", {});
      graph_.outputs.push_back(known->second);
      if (!graph_.is_constant(known->second)) read_type(output, graph_.value(known->second));
    }
  }

  void read_value_infos() {
    for (const auto& info : proto_.value_info()) {
      const auto known = ids_.find(info.name());
      if (known == ids_.end() || graph_.is_constant(known->second)) continue;
      Value& value = graph_.value(known->second);
      if (!value.shape) read_type(info, value);
    }
  }

  /// Topological order; of the nodes that are ready the one the file lists first comes first, so a
  /// sorted file keeps its order.
  void sort_nodes() {
    const std::size_t count = graph_.nodes.size();
    std::vector<std::size_t> producer(graph_.values.size(), count);
    for (std::size_t n = 0; n < count; ++n) {
      for (const ValueId id : graph_.nodes[n].outputs) {
        if (id != kNoValue) producer[static_cast<std::size_t>(id)] = n;
      }
    }
    std::vector<std::vector<std::size_t>> followers(count);
    std::vector<std::size_t> waiting_for(count, 0);
    for (std::size_t n = 0; n < count; ++n) {
      for (const ValueId id : graph_.nodes[n].inputs) {
        if (id == kNoValue || producer[static_cast<std::size_t>(id)] == count) continue;
        followers[producer[static_cast<std::size_t>(id)]].push_back(n);
        ++waiting_for[n];
      }
    }
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t n = 0; n < count; ++n) {
      if (waiting_for[n] == 0) ready.push(n);
    }
    std::vector<Node> sorted;
    sorted.reserve(count);
    while (!ready.empty()) {
      const std::size_t n = ready.top();
      ready.pop();
      sorted.push_back(std::move(graph_.nodes[n]));
      for (const std::size_t follower : followers[n]) {
        if (--waiting_for[follower] == 0) ready.push(follower);
      }
    }
    if (sorted.size() != count) fail_on_cycle(waiting_for, producer);
    graph_.nodes = std::move(sorted);
  }

  /// Every node that still waits has a predecessor that waits: walking back ends up inside a cycle.
  [[noreturn]] void fail_on_cycle(const std::vector<std::size_t>& waiting_for,
                                  const std::vector<std::size_t>& producer) const {
    const std::size_t count = waiting_for.size();
    std::vector<bool> visited(count);
    std::size_t n = static_cast<std::size_t>(
        std::ranges::find_if(waiting_for, [](std::size_t w) { return w > 0; }) -
        waiting_for.begin());
    while (!visited[n]) {
      visited[n] = true;
      for (const ValueId id : graph_.nodes[n].inputs) {
        if (id == kNoValue) continue;
        const std::size_t before = producer[static_cast<std::size_t>(id)];
        if (before != count && waiting_for[before] > 0) {
          n = before;
          break;
        }
      }
    }
    const Node& node = graph_.nodes[n];
    fail("the graph has a cycle",
         node.name.empty() ? "a " + node.op + " node" : "node '" + node.name + "'");
  }

  /// Masks and bounds are infinite on purpose; they meet only these operators.
  void require_finite_constants() const {
    static constexpr std::string_view kTakeInfinity[] = {"Where", "Clip", "Pad",
                                                         "Min",   "Max",  "Add"};
    std::vector<bool> must_be_finite(graph_.values.size());
    for (const Node& node : graph_.nodes) {
      if (std::ranges::find(kTakeInfinity, node.op) != std::end(kTakeInfinity)) continue;
      for (const ValueId id : node.inputs) {
        if (id != kNoValue) must_be_finite[static_cast<std::size_t>(id)] = true;
      }
    }
    for (std::size_t v = 0; v < graph_.values.size(); ++v) {
      const Value& value = graph_.values[v];
      if (!value.constant) continue;
      if (const auto bad = find_non_finite(*value.constant, must_be_finite[v])) {
        throw Error(ErrorCode::numeric,
                    std::string(bad->is_nan ? "NaN" : "infinite") + " weight at index " +
                        std::to_string(bad->index),
                    at("tensor '" + value.name + "'"), "Export the model again from sound weights");
      }
    }
  }

  onnx::GraphProto& proto_;
  ExternalData& external_;
  std::string file_;
  Graph graph_;
  std::unordered_map<std::string, ValueId> ids_;
};

}  // namespace

Graph read_graph(onnx::ModelProto& model, ExternalData& external, const std::string& name) {
  if (!model.has_graph()) {
    throw Error(ErrorCode::corrupt_input, "the file holds no graph: truncated or not an ONNX model",
                name);
  }
  const int opset = read_opset(model, name);
  return GraphReader(*model.mutable_graph(), external, name).read(opset);
}

}  // namespace qsweep::detail
