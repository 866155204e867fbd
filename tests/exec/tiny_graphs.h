#pragma once

#include <string>
#include <utility>
#include <vector>

#include "src/base/random.h"

#include "src/exec/bank.h"
#include "src/exec/program.h"
#include "src/graph/graph.h"

namespace qsweep::test {

inline Tensor random_tensor(const Shape& shape, std::uint64_t stream, double scale = 1.0) {
  Tensor tensor(DType::f32, shape);
  Random random(7, stream);
  for (float& x : tensor.mutable_data<float>()) x = static_cast<float>(scale * random.normal());
  return tensor;
}

/// Builds graphs node by node; every convolution is 3x3 with padding 1 and a bias.
class GraphBuilder {
 public:
  GraphBuilder() {
    graph_.name = "tiny";
    graph_.opset = 13;
  }
  ValueId input(Shape shape) {
    const ValueId id = value("x");
    graph_.value(id).shape = std::move(shape);
    graph_.inputs.push_back(id);
    return id;
  }
  ValueId constant(Tensor tensor) {
    const ValueId id = value("c" + std::to_string(graph_.values.size()));
    graph_.value(id).dtype = tensor.dtype();
    graph_.value(id).constant = std::move(tensor);
    return id;
  }
  ValueId node(const std::string& op,
               const std::string& name,
               std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    const ValueId output = value(name + "_out");
    graph_.nodes.push_back(
        {name, name, op, "", std::move(attributes), std::move(inputs), {output}});
    return output;
  }
  ValueId conv(const std::string& name, ValueId x, std::int64_t in, std::int64_t out) {
    Attributes attributes;
    attributes.set("kernel_shape", std::vector<std::int64_t>{3, 3});
    attributes.set("pads", std::vector<std::int64_t>{1, 1, 1, 1});
    const ValueId weight = constant(random_tensor({out, in, 3, 3}, graph_.values.size(), 0.3));
    const ValueId bias = constant(random_tensor({out}, graph_.values.size(), 0.1));
    return node("Conv", name, {x, weight, bias}, std::move(attributes));
  }
  ValueId gemm(const std::string& name, ValueId x, std::int64_t in, std::int64_t out) {
    Attributes attributes;
    attributes.set("transB", std::int64_t{1});
    const ValueId weight = constant(random_tensor({out, in}, graph_.values.size(), 0.5));
    const ValueId bias = constant(random_tensor({out}, graph_.values.size(), 0.1));
    return node("Gemm", name, {x, weight, bias}, std::move(attributes));
  }
  ValueId relu(const std::string& name, ValueId x) { return node("Relu", name, {x}); }
  Graph finish(std::vector<ValueId> outputs) {
    graph_.outputs = std::move(outputs);
    return std::move(graph_);
  }

 private:
  ValueId value(std::string name) {
    graph_.values.emplace_back();
    graph_.values.back().name = std::move(name);
    return static_cast<ValueId>(graph_.values.size() - 1);
  }
  Graph graph_;
};

/// Five layers: a, b in a residual block; c and d read the block's output side by side; e
/// classifies.
inline Graph branched_graph(std::int64_t batch = -1) {
  GraphBuilder g;
  const ValueId x = g.input({batch, 3, 8, 8});
  const ValueId a = g.relu("ra", g.conv("a", x, 3, 4));
  const ValueId b = g.conv("b", a, 4, 4);
  const ValueId sum = g.relu("rs", g.node("Add", "sum", {a, b}));
  const ValueId c = g.conv("c", sum, 4, 4);
  const ValueId d = g.relu("rd", g.conv("d", sum, 4, 4));
  Attributes axis;
  axis.set("axis", std::int64_t{1});
  const ValueId both = g.node("Concat", "both", {c, d}, axis);
  const ValueId pooled = g.node("GlobalAveragePool", "pool", {both});
  const ValueId flat = g.node("Flatten", "flat", {pooled}, axis);
  return g.finish({g.gemm("e", flat, 8, 5)});
}

/// `layers` convolutions with ReLU in a row.
inline Graph chain_graph(int layers) {
  GraphBuilder g;
  ValueId x = g.input({-1, 2, 4, 4});
  for (int i = 0; i < layers; ++i) {
    x = g.relu("r" + std::to_string(i), g.conv("l" + std::to_string(i), x, 2, 2));
  }
  return g.finish({x});
}

/// FP32, weight-only, integer, FP8 activations, and another integer one.
inline std::vector<Precision> some_precisions() {
  std::vector<Precision> precisions;
  for (const char* name : {"FP32", "W4A16", "W8A8", "W4A8F", "W4A8"})
    precisions.push_back(parse_precision(name));
  return precisions;
}

inline QuantSetup setup_for(const Program& program,
                            std::vector<Precision> precisions,
                            const Tensor& batch) {
  QuantSetup setup;
  setup.precisions = std::move(precisions);
  setup.input_stats.resize(program.layers().size());
  (void)run_float(program, {batch}, [&](ValueId value, const Tensor& tensor) {
    for (std::size_t i = 0; i < program.layers().size(); ++i) {
      if (program.layers()[i].input == value) setup.input_stats[i].add_range(tensor.data<float>());
    }
  });
  return setup;
}

}  // namespace qsweep::test
