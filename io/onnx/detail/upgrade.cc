#include "io/onnx/detail/upgrade.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep::detail {
namespace {

using Ints = std::vector<std::int64_t>;

/// Applies the rules of one graph; `out` collects the nodes in order.
class Upgrader {
 public:
  Upgrader(Graph& graph, int to) : graph_(graph), from_(graph.opset), to_(to) {
    for (const Value& value : graph.values) names_.insert(value.name);
    for (const Node& node : graph.nodes) names_.insert(node.name);
  }

  void run() {
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    for (Node& node : nodes) {
      if (node.domain.empty()) upgrade(node);
      graph_.nodes.push_back(std::move(node));
      for (Node& next : std::exchange(after_, {})) graph_.nodes.push_back(std::move(next));
    }
    if (!refused_.empty()) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("operators that opset {} cannot express: {}", to_, join(refused_, ", ")),
          graph_.name, "Convert the model to a newer opset first");
    }
    graph_.opset = to_;
  }

 private:
  /// True when going from the model's opset to the file's passes the one in which an operator
  /// changed.
  [[nodiscard]] bool crosses(int opset) const { return from_ < opset && opset <= to_; }

  void upgrade(Node& node) {
    const std::string& op = node.op;
    if (op == "Slice" && crosses(10)) attributes_to_operands(node, {"starts", "ends", "axes"});
    if (op == "TopK" && crosses(10)) number_to_operand(node, "k");
    if ((op == "Upsample" || op == "Resize") && crosses(11)) resize(node);
    if (op == "Pad" && crosses(11)) pad(node);
    if (op == "Clip" && crosses(11)) clip(node);
    if (op == "Dropout" && crosses(12)) dropout(node);
    if ((op == "Squeeze" || op == "Unsqueeze" || op == "ReduceSum") && crosses(13))
      attributes_to_operands(node, {"axes"});
    if (op == "Split" && crosses(13)) attributes_to_operands(node, {"split"});
    if ((op == "Softmax" || op == "LogSoftmax" || op == "Hardmax") && crosses(13)) softmax(node);
    if (op == "Resize" && crosses(13)) resize_absent_operands(node);
    if (op == "BatchNormalization" && crosses(14) && node.outputs.size() > 1) refuse(node);
    if (op.starts_with("Reduce") && op != "ReduceSum" && crosses(18))
      attributes_to_operands(node, {"axes"});
    if (op == "Split" && crosses(18) && node.inputs.size() < 2)
      node.attributes.set("num_outputs", std::ssize(node.outputs));
    if (op == "GroupNormalization" && crosses(21)) refuse(node);
  }

  void refuse(const Node& node) {
    refused_.push_back(fmt::format("{} (node '{}')", node.op, node.name));
  }

  ValueId add_value(const std::string& wanted, DType dtype) {
    Value value;
    value.name = unique(wanted);
    value.dtype = dtype;
    graph_.values.push_back(std::move(value));
    return static_cast<ValueId>(graph_.values.size() - 1);
  }

  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int n = 2; !names_.insert(name).second; ++n) name = fmt::format("{}#{}", wanted, n);
    return name;
  }

  template <class T>
  ValueId add_constant(const Node& node,
                       const std::string& role,
                       DType dtype,
                       Shape shape,
                       const std::vector<T>& elements) {
    const ValueId id = add_value(node.name + "." + role, dtype);
    graph_.value(id).shape = shape;
    graph_.value(id).constant = Tensor::of<T>(dtype, std::move(shape), elements);
    return id;
  }

  ValueId add_ints(const Node& node, const std::string& role, const Ints& elements) {
    return add_constant(node, role, DType::i64, {std::ssize(elements)}, elements);
  }

  /// A scalar of the type of the node's input.
  ValueId add_number(const Node& node, const std::string& role, float number) {
    if (graph_.value(node.inputs[0]).dtype == DType::f64)
      return add_constant(node, role, DType::f64, {}, std::vector{static_cast<double>(number)});
    return add_constant(node, role, DType::f32, {}, std::vector{number});
  }

  /// Attributes that became operands under the same names, in this order.
  void attributes_to_operands(Node& node, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (!node.attributes.has(name)) continue;
      node.inputs.push_back(add_ints(node, name, node.attributes.ints(name)));
      node.attributes.erase(name);
    }
  }

  void number_to_operand(Node& node, const std::string& name) {
    node.inputs.push_back(add_ints(node, name, {node.attributes.i(name, 0)}));
    node.attributes.erase(name);
  }

  void pad(Node& node) {
    attributes_to_operands(node, {"pads"});
    if (node.attributes.has("value"))
      node.inputs.push_back(add_number(node, "value", node.attributes.f("value", 0.0f)));
    node.attributes.erase("value");
  }

  void clip(Node& node) {
    for (const char* bound : {"min", "max"}) {
      const bool given = node.attributes.has(bound);
      node.inputs.push_back(given ? add_number(node, bound, node.attributes.f(bound, 0.0f))
                                  : kNoValue);
      node.attributes.erase(bound);
    }
  }

  /// Inference only: the ratio has no effect. A mask that is read has no rule.
  void dropout(Node& node) {
    if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) return refuse(node);
    node.outputs.resize(1);
    node.attributes.erase("ratio");
  }

  /// Upsample-9 and Resize-10 (X, scales) are the asymmetric, flooring case of Resize-11.
  void resize(Node& node) {
    node.op = "Resize";
    node.inputs.insert(node.inputs.begin() + 1, kNoValue);
    node.attributes.set("coordinate_transformation_mode", std::string("asymmetric"));
    node.attributes.set("nearest_mode", std::string("floor"));
  }

  /// Before opset 13 absent operands of Resize were empty tensors; one coordinate rule was dropped.
  void resize_absent_operands(Node& node) {
    if (node.attributes.s("coordinate_transformation_mode", "") == "tf_half_pixel_for_nn")
      return refuse(node);
    for (ValueId& id : node.inputs) {
      if (graph_.is_constant(id) && graph_.value(id).constant->size() == 0) id = kNoValue;
    }
    while (!node.inputs.empty() && node.inputs.back() == kNoValue) node.inputs.pop_back();
  }

  /// Before opset 13 all axes from `axis` on were one: y = Reshape(Softmax(Flatten(x)), Shape(x)).
  void softmax(Node& node) {
    const std::int64_t axis = node.attributes.i("axis", 1);
    const std::optional<Shape>& shape = graph_.value(node.inputs.at(0)).shape;
    const bool is_last = axis == -1 || (shape && axis == std::ssize(*shape) - 1);
    node.attributes.set("axis", std::int64_t{-1});
    if (is_last) return;

    const ValueId x = node.inputs[0];
    const DType dtype = graph_.value(x).dtype;
    Node flatten = auxiliary(node, "Flatten", {x}, dtype);
    flatten.attributes.set("axis", axis);
    Node shape_of = auxiliary(node, "Shape", {x}, DType::i64);
    Node function = node;
    function.name = unique(node.name + ".2d");
    function.inputs = flatten.outputs;
    function.outputs = {add_value(function.name + ".output", dtype)};
    Node reshape = node;  // keeps the name, as it makes the node's value
    reshape.op = "Reshape";
    reshape.attributes = {};
    reshape.inputs = {function.outputs[0], shape_of.outputs[0]};
    node = std::move(flatten);
    after_ = {std::move(shape_of), std::move(function), std::move(reshape)};
  }

  Node auxiliary(const Node& of, const std::string& op, std::vector<ValueId> inputs, DType dtype) {
    Node node;
    node.op = op;
    node.name = unique(of.name + "." + op);
    node.inputs = std::move(inputs);
    node.outputs = {add_value(node.name + ".output", dtype)};
    return node;
  }

  Graph& graph_;
  int from_;
  int to_;
  std::set<std::string> names_;
  std::vector<Node> after_;  ///< to be inserted behind the node at hand
  std::vector<std::string> refused_;
};

}  // namespace

void upgrade_opset(Graph& graph, int to) {
  if (to > graph.opset) Upgrader(graph, to).run();
}

}  // namespace qsweep::detail
