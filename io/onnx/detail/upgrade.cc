#include "io/onnx/detail/upgrade.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/onnx/detail/fresh_names.h"

namespace qsweep::detail {
namespace {

using Ints = std::vector<std::int64_t>;

/// Applies the rules of one graph.
class Upgrader {
 public:
  Upgrader(Graph& graph, int to) : graph_(graph), from_(graph.opset), to_(to), names_(graph) {}

  void run() {
    for (Node& node : std::exchange(graph_.nodes, {})) {
      if (node.domain.empty()) upgrade(node);
      std::ranges::move(std::exchange(before_, {}), std::back_inserter(graph_.nodes));
      graph_.nodes.push_back(std::move(node));
    }
    if (!refused_.empty()) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("no form in opset {}: {}", to_, join(refused_, ", ")), graph_.name,
                  "Keep the model's opset, or choose precisions that it can express");
    }
    graph_.opset = to_;
  }

 private:
  struct Change {
    std::string_view op;
    int opset;
    void (Upgrader::*rule)(Node& node);
  };

  /// In order of opset, so that a node passes from form to form, under its new name too.
  void upgrade(Node& node) {
    static constexpr Change kChanges[] = {
#define CHANGE(op, opset, rule) {#op, opset, &Upgrader::rule},
#define KEEPS(op, opset, why)
#include "io/onnx/detail/opset_changes.inc"
#undef CHANGE
#undef KEEPS
    };
    const std::size_t refused = refused_.size();
    for (const Change& change : kChanges) {
      if (refused_.size() > refused) return;
      const bool passed = from_ < change.opset && change.opset <= to_;
      if (passed && node.op == change.op) (this->*change.rule)(node);
    }
  }

  void refuse(const Node& node, const std::string& why) {
    refused_.push_back(fmt::format("{} (node '{}') {}", node.op, node.name, why));
  }

  ValueId add_value(const std::string& wanted, DType dtype) {
    Value value;
    value.name = names_.unique(wanted);
    value.dtype = dtype;
    graph_.values.push_back(std::move(value));
    return static_cast<ValueId>(graph_.values.size() - 1);
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

  /// A node before the one at hand; returns its output.
  ValueId add_node(const Node& of,
                   const std::string& op,
                   std::vector<ValueId> inputs,
                   DType dtype,
                   Attributes attributes = {}) {
    Node node;
    node.op = op;
    node.name = names_.unique(of.name + "." + op);
    node.attributes = std::move(attributes);
    node.inputs = std::move(inputs);
    node.outputs = {add_value(node.name + ".output", dtype)};
    before_.push_back(std::move(node));
    return before_.back().outputs[0];
  }

  /// Attributes that became operands under the same names, in this order.
  void attributes_to_operands(Node& node, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (!node.attributes.has(name)) continue;
      node.inputs.push_back(add_ints(node, name, node.attributes.ints(name)));
      node.attributes.erase(name);
    }
  }

  void slice(Node& node) {
    attributes_to_operands(node, {"starts", "ends", "axes"});
  }
  void axes(Node& node) {
    attributes_to_operands(node, {"axes"});
  }
  void split(Node& node) {
    attributes_to_operands(node, {"split"});
  }

  void split_count(Node& node) {
    if (node.inputs.size() < 2 || node.inputs[1] == kNoValue)
      node.attributes.set("num_outputs", std::ssize(node.outputs));
  }

  void top_k(Node& node) {
    node.inputs.push_back(add_ints(node, "k", {node.attributes.i("k", 0)}));
    node.attributes.erase("k");
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

  /// Inference only: the ratio has no effect.
  void dropout(Node& node) {
    if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) return refuse(node, "with a mask");
    node.outputs.resize(1);
    node.attributes.erase("ratio");
  }

  void batch_normalization(Node& node) {
    const auto is_read = [](ValueId id) { return id != kNoValue; };
    if (std::ranges::any_of(node.outputs.begin() + 1, node.outputs.end(), is_read))
      return refuse(node, "with outputs of training");
    node.outputs.resize(1);
  }

  void rename_upsample(Node& node) {
    node.op = "Resize";
  }
  void rename_scatter(Node& node) {
    node.op = "ScatterElements";
  }

  /// Resize-10 (X, scales) is the asymmetric case. Nearest pixels are those below where an axis
  /// grows and those above where it shrinks (ONNX Runtime; backend case of ONNX 1.5
  /// resize_downsample_nearest); where both may be, one node shrinks and one grows.
  void resize(Node& node) {
    node.attributes.set("coordinate_transformation_mode", std::string("asymmetric"));
    const ValueId scales = node.inputs.at(1);
    const ValueId no_region = add_constant(node, "roi", DType::f32, {0}, std::vector<float>{});
    node.inputs = {node.inputs[0], no_region, scales};
    if (node.attributes.s("mode", "nearest") != "nearest") return;
    bool shrinks = true, grows = true;
    if (graph_.is_constant(scales)) {
      const auto list = graph_.value(scales).constant->data<float>();
      shrinks = std::ranges::any_of(list, [](float s) { return s < 1.0f; });
      grows = std::ranges::any_of(list, [](float s) { return s > 1.0f; });
    }
    if (shrinks && grows) {
      const ValueId one = add_constant(node, "one", DType::f32, {}, std::vector{1.0f});
      const ValueId least = add_node(node, "Min", {scales, one}, DType::f32);
      const ValueId most = add_node(node, "Max", {scales, one}, DType::f32);
      Attributes attributes = node.attributes;
      attributes.set("nearest_mode", std::string("ceil"));
      const ValueId x = node.inputs[0];
      node.inputs = {add_node(node, "Resize", {x, no_region, least}, graph_.value(x).dtype,
                              std::move(attributes)),
                     no_region, most};
    }
    node.attributes.set("nearest_mode", std::string(grows ? "floor" : "ceil"));
  }

  /// tf_half_pixel_for_nn is x' = (x + 0.5) / s: half a pixel above half_pixel, so rounding down
  /// there is rounding to the nearest one here.
  void resize_operands(Node& node) {
    Attributes& a = node.attributes;
    if (a.s("coordinate_transformation_mode", "") == "tf_half_pixel_for_nn") {
      const std::string rounding = a.s("nearest_mode", "round_prefer_floor");
      if (a.s("mode", "nearest") != "nearest" ||
          (rounding != "floor" && rounding != "round_prefer_floor"))
        return refuse(node, "with tf_half_pixel_for_nn");
      a.set("coordinate_transformation_mode", std::string("half_pixel"));
      a.set("nearest_mode", std::string(rounding == "floor" ? "round_prefer_ceil" : "ceil"));
    }
    for (ValueId& id : node.inputs) {
      if (graph_.is_constant(id) && graph_.value(id).constant->size() == 0) id = kNoValue;
    }
    while (!node.inputs.empty() && node.inputs.back() == kNoValue) node.inputs.pop_back();
  }

  /// Before opset 13 all axes from `axis` on were one: y = Reshape(Softmax(Flatten(x)), Shape(x)).
  void softmax(Node& node) {
    const std::int64_t axis = node.attributes.i("axis", 1);
    const ValueId x = node.inputs.at(0);
    const std::optional<Shape>& shape = graph_.value(x).shape;
    const bool is_last = axis == -1 || (shape && axis == std::ssize(*shape) - 1);
    node.attributes.set("axis", std::int64_t{-1});
    if (is_last) return;
    const DType dtype = graph_.value(x).dtype;
    Attributes from;
    from.set("axis", axis);
    const ValueId rows = add_node(node, "Flatten", {x}, dtype, std::move(from));
    const ValueId extents = add_node(node, "Shape", {x}, DType::i64);
    node.inputs = {add_node(node, node.op, {rows}, dtype, std::move(node.attributes)), extents};
    node.op = "Reshape";
    node.attributes = {};
  }

  void roi_align(Node& node) {
    node.attributes.set("coordinate_transformation_mode", std::string("output_half_pixel"));
  }

  void grid_sample(Node& node) {
    const std::string mode = node.attributes.s("mode", "bilinear");
    if (mode == "bilinear") node.attributes.set("mode", std::string("linear"));
    if (mode == "bicubic") node.attributes.set("mode", std::string("cubic"));
  }

  /// Each number of a group stands for its channels: [G] -> [G, 1] -> [G, C / G] -> [C]. Where the
  /// numbers are constant and the channels known, all of that is done here.
  void group_normalization(Node& node) {
    const std::int64_t groups = node.attributes.i("num_groups", 0);
    if (groups < 1) return refuse(node, "without num_groups");
    const ValueId x = node.inputs.at(0);
    const std::optional<Shape>& shape = graph_.value(x).shape;
    const std::int64_t channels = shape && shape->size() > 1 ? (*shape)[1] : -1;
    ValueId repeats = kNoValue;  // [1, C / G]
    for (std::size_t i = 1; i < 3; ++i) {
      const ValueId of_groups = node.inputs.at(i);
      const Value& value = graph_.value(of_groups);
      if (value.constant && value.constant->dtype() == DType::f32 && channels > 0) {
        std::vector<float> of_channels;
        for (const float v : value.constant->data<float>())
          of_channels.insert(of_channels.end(), static_cast<std::size_t>(channels / groups), v);
        node.inputs[i] = add_constant(node, i == 1 ? "scale" : "bias", DType::f32,
                                      {std::ssize(of_channels)}, of_channels);
        continue;
      }
      const DType dtype = value.dtype;
      if (repeats == kNoValue) repeats = channels_per_group(node, groups);
      const ValueId column =
          add_node(node, "Unsqueeze", {of_groups, add_ints(node, "axis", {1})}, dtype);
      const ValueId table = add_node(node, "Expand", {column, repeats}, dtype);
      node.inputs[i] = add_node(node, "Reshape", {table, add_ints(node, "all", {-1})}, dtype);
    }
  }

  ValueId channels_per_group(const Node& node, std::int64_t groups) {
    Attributes channel_axis;
    channel_axis.set("start", std::int64_t{1});
    channel_axis.set("end", std::int64_t{2});
    const ValueId channels =
        add_node(node, "Shape", {node.inputs[0]}, DType::i64, std::move(channel_axis));
    const ValueId each =
        add_node(node, "Div", {channels, add_ints(node, "groups", {groups})}, DType::i64);
    Attributes along;
    along.set("axis", std::int64_t{0});
    return add_node(node, "Concat", {add_ints(node, "one", {1}), each}, DType::i64,
                    std::move(along));
  }

  Graph& graph_;
  int from_;
  int to_;
  FreshNames names_;
  std::vector<Node> before_;  ///< to be inserted before the node at hand
  std::vector<std::string> refused_;
};

}  // namespace

void upgrade_opset(Graph& graph, int to) {
  if (to > graph.opset) Upgrader(graph, to).run();
}

}  // namespace qsweep::detail
