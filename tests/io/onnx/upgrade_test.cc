#include "io/onnx/detail/upgrade.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep::detail {
namespace {

/// x -> one node -> y, of an older opset. Constants are further operands.
struct Case {
  Graph graph;

  Case(int opset, const std::string& op, Shape shape = {1, 4, 6, 6}) {
    graph.opset = opset;
    graph.name = "g";
    add("x").shape = std::move(shape);
    add("y");
    graph.inputs = {0};
    graph.outputs = {1};
    Node node;
    node.name = node.op = op;
    node.inputs = {0};
    node.outputs = {1};
    graph.nodes.push_back(std::move(node));
  }

  Value& add(const std::string& name) {
    Value& value = graph.values.emplace_back();
    value.name = name;
    return value;
  }

  Case& floats(const std::vector<float>& elements) {
    Value& value = add("c" + std::to_string(graph.values.size()));
    value.shape = Shape{std::ssize(elements)};
    value.constant = Tensor::of<float>(DType::f32, *value.shape, elements);
    graph.nodes[0].inputs.push_back(static_cast<ValueId>(graph.values.size() - 1));
    return *this;
  }
  Case& set(const std::string& name, Attributes::Value value) {
    graph.nodes[0].attributes.set(name, std::move(value));
    return *this;
  }
  Case& to(int opset) {
    upgrade_opset(graph, opset);
    check(graph);
    return *this;
  }
  /// The node that makes y.
  [[nodiscard]] const Node& node() const { return graph.nodes.back(); }
  [[nodiscard]] std::vector<std::string> ops() const {
    std::vector<std::string> names;
    for (const Node& n : graph.nodes) names.push_back(n.op);
    return names;
  }
  template <class T>
  [[nodiscard]] std::vector<T> operand(std::size_t i) const {
    const auto data = graph.value(node().inputs.at(i)).constant->data<T>();
    return {data.begin(), data.end()};
  }
};

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;
using Names = std::vector<std::string>;

TEST(Upgrade, RegionsKeepTheirCoordinates) {
  EXPECT_EQ(Case(15, "RoiAlign").to(16).node().attributes.s("coordinate_transformation_mode", ""),
            "output_half_pixel");
  EXPECT_FALSE(Case(16, "RoiAlign").to(21).node().attributes.has("coordinate_transformation_mode"));
  EXPECT_FALSE(Case(10, "RoiAlign").to(15).node().attributes.has("coordinate_transformation_mode"));
}

TEST(Upgrade, ModesOfGridsHaveOtherNames) {
  const auto mode = [](Case c) { return c.to(20).node().attributes.s("mode", ""); };
  EXPECT_EQ(mode(Case(16, "GridSample")), "linear");
  EXPECT_EQ(mode(Case(16, "GridSample").set("mode", std::string("bicubic"))), "cubic");
  EXPECT_EQ(mode(Case(16, "GridSample").set("mode", std::string("nearest"))), "nearest");
}

TEST(Upgrade, OperatorsThatWereRenamed) {
  EXPECT_EQ(Case(9, "Scatter").to(10).node().op, "Scatter");
  EXPECT_EQ(Case(10, "Scatter").to(11).node().op, "ScatterElements");
  EXPECT_EQ(Case(9, "Upsample").floats({1, 1, 2, 2}).to(10).node().op, "Resize");
}

TEST(Upgrade, NearestPixelsOfResize10DependOnTheScale) {
  const auto rounding = [](const Node& n) { return n.attributes.s("nearest_mode", ""); };
  EXPECT_EQ(rounding(Case(10, "Resize").floats({1, 1, 2, 1.5f}).to(13).node()), "floor");
  EXPECT_EQ(rounding(Case(10, "Resize").floats({1, 1, 0.5f, 1}).to(13).node()), "ceil");
  const Case both = Case(10, "Resize").floats({1, 1, 0.5f, 2}).to(13);
  EXPECT_EQ(both.ops(), (Names{"Min", "Max", "Resize", "Resize"}));
  EXPECT_EQ(rounding(both.graph.nodes[2]), "ceil");
  EXPECT_EQ(rounding(both.node()), "floor");
}

TEST(Upgrade, NearestPixelsOfTensorFlowAreHalfAPixelOff) {
  const auto upgraded = [](const std::string& rounding) {
    Case c = Case(11, "Resize").floats({}).floats({1, 1, 2, 2});
    c.set("coordinate_transformation_mode", std::string("tf_half_pixel_for_nn"));
    c.set("nearest_mode", rounding);
    const Attributes& a = c.to(13).node().attributes;
    EXPECT_EQ(a.s("coordinate_transformation_mode", ""), "half_pixel");
    return a.s("nearest_mode", "");
  };
  EXPECT_EQ(upgraded("floor"), "round_prefer_ceil");
  EXPECT_EQ(upgraded("round_prefer_floor"), "ceil");
  EXPECT_THROW((void)upgraded("ceil"), Error);
}

TEST(Upgrade, NumbersOfGroupsAreRepeatedByChannel) {
  const auto groups = [](Shape shape) {
    return Case(18, "GroupNormalization", std::move(shape))
        .floats({2, -3})
        .floats({0.5f, 1})
        .set("num_groups", std::int64_t{2})
        .to(21);
  };
  const Case known = groups({1, 4, 6, 6});
  EXPECT_EQ(known.ops(), Names{"GroupNormalization"});
  EXPECT_EQ(known.operand<float>(1), (Floats{2, 2, -3, -3}));
  EXPECT_EQ(known.operand<float>(2), (Floats{0.5f, 0.5f, 1, 1}));
  const Case open = groups({1, -1, 6, 6});
  EXPECT_EQ(std::ranges::count(open.ops(), "Expand"), 2);
  EXPECT_EQ(open.node().op, "GroupNormalization");
}

TEST(Upgrade, AttributesBecomeOperandsInTheirPlace) {
  EXPECT_EQ(Case(12, "Squeeze").set("axes", Ints{0}).to(13).operand<std::int64_t>(1), Ints{0});
  EXPECT_EQ(Case(17, "ReduceMax").set("axes", Ints{2}).to(17).node().inputs.size(), 1u);
  EXPECT_EQ(Case(17, "ReduceMax").set("axes", Ints{2}).to(18).operand<std::int64_t>(1), Ints{2});
  EXPECT_EQ(Case(9, "TopK").set("k", std::int64_t{3}).to(10).operand<std::int64_t>(1), Ints{3});
  const Case slice =
      Case(9, "Slice").set("starts", Ints{1}).set("ends", Ints{3}).set("axes", Ints{2}).to(10);
  EXPECT_EQ(slice.operand<std::int64_t>(3), Ints{2});
  const Case clip = Case(9, "Clip").set("max", 2.0f).to(11);
  EXPECT_EQ(clip.node().inputs[1], kNoValue);
  EXPECT_EQ(clip.operand<float>(2), Floats{2});
}

TEST(Upgrade, SoftmaxOverSeveralAxesGoesThroughTwo) {
  EXPECT_EQ(Case(11, "Softmax").set("axis", std::int64_t{3}).to(13).ops(), Names{"Softmax"});
  const Case all = Case(11, "Softmax").to(13);
  EXPECT_EQ(all.ops(), (Names{"Flatten", "Shape", "Softmax", "Reshape"}));
  EXPECT_EQ(all.node().name, "Softmax");
}

TEST(Upgrade, OutputsOfTrainingAreRefusedByName) {
  Case c(9, "Dropout");
  c.add("mask");
  c.graph.nodes[0].outputs.push_back(2);
  try {
    c.to(12);
    FAIL() << "a mask has no form";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_EQ(e.message(), "no form in opset 12: Dropout (node 'Dropout') with a mask");
  }
}

}  // namespace
}  // namespace qsweep::detail
