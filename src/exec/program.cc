#include "src/exec/program.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/random.h"
#include "src/base/text.h"

#include "src/graph/passes.h"
#include "src/kernels/ops.h"

namespace qsweep {
namespace {

/// TensorProto.DataType codes of a Cast.
constexpr std::int64_t kFloatType = 1, kFloat16Type = 10, kBFloat16Type = 16;

bool is_half(DType dtype) {
  return dtype == DType::f16 || dtype == DType::bf16;
}

Tensor widened(const Tensor& half) {
  Attributes to_float;
  to_float.set("to", std::int64_t{1});  // TensorProto.FLOAT
  return run_op({"Cast", "", 13, to_float, 1, "widen"}, {&half, 1}).at(0);
}

/// Makes a float16 or bfloat16 model an FP32 one: constants, declared types and casts.
/// A Cast to a half type still rounds: it is followed by a Cast back, which also keeps an FP16
/// layer of an exported scheme what it was.
void widen_halves(Graph& graph) {
  // A DequantizeLinear gives what its scale is made of.
  for (Node& node : graph.nodes) {
    if (node.op != "DequantizeLinear" || node.inputs.size() < 2) continue;
    const DType scale = graph.value(node.inputs[1]).dtype;
    if (is_half(scale) && node.attributes.i("output_dtype", 0) == 0) {
      node.attributes.set("output_dtype", scale == DType::f16 ? kFloat16Type : kBFloat16Type);
    }
  }
  for (Value& value : graph.values) {
    if (!is_half(value.dtype)) continue;
    value.dtype = DType::f32;
    if (value.constant && is_half(value.constant->dtype()))
      value.constant = widened(*value.constant);
  }
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const std::int64_t to = node.op == "Cast" ? node.attributes.i("to", 0) : 0;
    if (to == kFloat16Type || to == kBFloat16Type) {
      Value half;
      half.name = node.name + ".half";
      half.dtype = to == kFloat16Type ? DType::f16 : DType::bf16;
      graph.values.push_back(std::move(half));
      Node widen = node;
      widen.name += ".widen";
      widen.attributes.set("to", kFloatType);
      widen.inputs = {static_cast<ValueId>(graph.values.size() - 1)};
      node.outputs = widen.inputs;
      nodes.push_back(std::move(node));
      nodes.push_back(std::move(widen));
      continue;
    }
    const Tensor* fill = node.op == "ConstantOfShape" ? node.attributes.tensor("value") : nullptr;
    if (fill != nullptr && is_half(fill->dtype())) node.attributes.set("value", widened(*fill));
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
}

std::vector<Tensor> evaluate_constant(const Node& node,
                                      int opset,
                                      std::span<const Tensor> operands) {
  if (!is_supported(node.op, node.domain, opset)) return {};
  const OpCall call{
      node.op,  node.domain, opset, node.attributes, static_cast<int>(node.outputs.size()),
      node.name};
  return run_op(call, operands);
}

/// An activation function behind a layer or an Add.
struct Tail {
  Epilogue epilogue = Epilogue::none;
  std::vector<NodeId> nodes;  ///< the last one's output is the function's
};

/// The readers of a value that only nodes of the graph see.
std::vector<NodeId> inner_readers(const Graph& graph, ValueId value) {
  if (std::ranges::find(graph.outputs, value) != graph.outputs.end()) return {};
  return graph.consumers(value);
}

/// Relu(y), or Mul(y, Sigmoid(y)) when nothing else reads what lies between.
Tail find_tail(const Graph& graph, ValueId value) {
  const auto node = [&](NodeId id) -> const Node& { return graph.node(id); };
  const auto is = [&](NodeId id, std::string_view op) {
    return node(id).op == op && node(id).domain.empty();
  };
  std::vector<NodeId> readers = inner_readers(graph, value);
  if (readers.size() == 1 && is(readers[0], "Relu")) return {Epilogue::relu, readers};
  if (readers.size() != 2) return {};
  if (!is(readers[0], "Sigmoid")) std::swap(readers[0], readers[1]);
  if (!is(readers[0], "Sigmoid") || !is(readers[1], "Mul")) return {};
  const ValueId gate = node(readers[0]).outputs[0];
  if (inner_readers(graph, gate) != std::vector{readers[1]}) return {};
  std::vector<ValueId> factors = node(readers[1]).inputs;
  if (factors[0] != value) std::swap(factors[0], factors[1]);
  if (factors != std::vector{value, gate}) return {};
  return {Epilogue::silu, readers};
}

/// Products of a MatMul of two activations, [..., M, K] x [..., K, N]: output elements times K.
std::int64_t matmul_macs(const Shape& left, const Shape& output) {
  return left.empty() ? 0 : element_count(output) * left.back();
}

Tensor random_image(const Shape& shape, std::uint64_t stream) {
  Tensor image(DType::f32, shape);
  Random random(/*seed=*/1, stream);
  for (float& x : image.mutable_data<float>()) x = static_cast<float>(2.0 * random.uniform() - 1.0);
  return image;
}

Tensor stack_pair(const Tensor& first, const Tensor& second) {
  Shape shape = first.shape();
  shape[0] = 2;
  Tensor both(DType::f32, shape);
  const auto out = both.mutable_data<float>();
  std::ranges::copy(first.data<float>(), out.begin());
  std::ranges::copy(second.data<float>(), out.begin() + first.size());
  return both;
}

bool same_values(const Tensor& got, const Tensor& want) {
  if (got.shape() != want.shape() || got.dtype() != want.dtype()) return false;
  if (got.dtype() != DType::f32) return true;
  const auto a = got.data<float>();
  const auto b = want.data<float>();
  float largest = 0.0f;
  for (const float x : b) largest = std::max(largest, std::abs(x));
  const float tolerance = 1e-5f * largest;
  return std::ranges::equal(a, b, [&](float x, float y) { return std::abs(x - y) <= tolerance; });
}

/// Whether running two images together gives each what it gets alone.
bool batch_is_independent(const Program& program, const Shape& image_shape) {
  FloatRunner runner(program);
  const Tensor images[] = {random_image(image_shape, 0), random_image(image_shape, 1)};
  const Tensor both = stack_pair(images[0], images[1]);
  std::vector<Tensor> together;
  try {
    together = runner.run({&both, 1});
  } catch (const Error&) {
    return false;  // extents of one image are written into the graph
  }
  for (std::int64_t row = 0; row < 2; ++row) {
    const std::vector<Tensor> alone = runner.run({&images[row], 1});
    for (std::size_t i = 0; i < alone.size(); ++i) {
      const Tensor pair = together[i].to_layout(Layout::row_major);
      if (pair.rank() == 0 || pair.dim(0) != 2 || alone[i].rank() == 0 || alone[i].dim(0) != 1)
        return false;
      if (!same_values(pair.rows(row, row + 1), alone[i].to_layout(Layout::row_major)))
        return false;
    }
  }
  return true;
}

}  // namespace

struct Program::Batchable {
  std::once_flag decided;
  bool value = false;
};

std::vector<std::string> unsupported_nodes(const Graph& graph) {
  std::set<NodeId> linear;
  for (const Layer& layer : find_layers(graph)) linear.insert(layer.node);
  std::vector<std::string> found;
  for (const NodeId id : ids<NodeId>(graph.nodes.size())) {
    const Node& node = graph.node(id);
    if (linear.contains(id) || is_supported(node.op, node.domain, graph.opset)) continue;
    const std::string op = node.domain.empty() ? node.op : node.domain + "." + node.op;
    found.push_back(fmt::format("{} (node '{}')", op, node.name));
  }
  return found;
}

Program::Program(Graph graph, Epilogues epilogues)
    : graph_(std::move(graph)), batchable_(std::make_shared<Batchable>()) {
  if (graph_.inputs.empty()) {
    throw Error(ErrorCode::unsupported, "the model has no input", graph_.name);
  }
  name_nodes(graph_);
  widen_halves(graph_);
  const std::optional<Shape> declared = graph_.value(input()).shape;
  // A declared batch extent must not be folded into the graph: it may run at any batch.
  if (declared && !declared->empty()) graph_.value(input()).shape->front() = -1;
  fold_constants(graph_, evaluate_constant);
  fuse_patterns(graph_);
  batch_norms_folded_ = fold_batch_norm(graph_);
  fold_constants(graph_, evaluate_constant);
  remove_dead(graph_);
  check(graph_);
  graph_.value(input()).shape = declared;
  if (const std::vector<std::string> missing = unsupported_nodes(graph_); !missing.empty()) {
    throw Error(ErrorCode::unsupported, "operators without a kernel: " + join(missing, ", "),
                graph_.name);
  }

  layers_ = find_layers(graph_);
  std::vector<LayerId> layer_of(graph_.nodes.size());
  for (const LayerId id : ids<LayerId>(layers_.size())) layer_of[layer(id).node.index()] = id;
  std::set<NodeId> fused;
  for (const NodeId id : ids<NodeId>(graph_.nodes.size())) {
    if (fused.contains(id)) continue;
    const Node& node = graph_.node(id);
    Step step{id, layer_of[id.index()], Epilogue::none, node.inputs, node.outputs};
    const bool is_add = node.op == "Add" && node.domain.empty();
    if (epilogues != Epilogues::separate && (step.layer || is_add)) {
      const Tail tail = find_tail(graph_, node.outputs[0]);
      const bool takes_silu = epilogues == Epilogues::fused && !is_add;
      if (tail.epilogue == Epilogue::relu || (tail.epilogue == Epilogue::silu && takes_silu)) {
        fused.insert(tail.nodes.begin(), tail.nodes.end());
        step.epilogue = tail.epilogue;
        step.outputs = graph_.node(tail.nodes.back()).outputs;
      }
    }
    if (step.layer) {
      step.inputs = {layer(step.layer).input};
      layer_steps_.emplace_back(steps_.size());
    }
    steps_.push_back(std::move(step));
  }
}

LinearSpec Program::spec(LayerId id) const {
  const Node& node = graph_.node(layer(id).node);
  LinearSpec spec = linear_spec(node.op, node.attributes, weight(id), layer(id).name);
  spec.epilogue = step(step_of(id)).epilogue;
  return spec;
}

const Tensor& Program::weight(LayerId id) const {
  return *graph_.value(layer(id).weight).constant;
}

Tensor Program::bias(LayerId id) const {
  const ValueId bias = layer(id).bias;
  return bias == kNoValue ? Tensor() : *graph_.value(bias).constant;
}

Trace Program::trace(const Shape& input_shape) const {
  Trace trace;
  trace.input_shape = input_shape;
  trace.shapes.resize(graph_.values.size());
  trace.bytes.resize(graph_.values.size(), 0);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph_.inputs) {
    const Value& value = graph_.value(id);
    Tensor zero(value.dtype, id == input() ? input_shape : value.shape.value_or(Shape{}));
    std::fill_n(static_cast<std::byte*>(zero.mutable_raw()), zero.bytes(), std::byte{0});
    inputs.push_back(std::move(zero));
  }
  (void)run_float(*this, inputs, [&](ValueId id, const Tensor& tensor) {
    trace.shapes[static_cast<std::size_t>(id)] = tensor.shape();
    trace.bytes[static_cast<std::size_t>(id)] = static_cast<std::int64_t>(tensor.bytes());
  });

  const auto elements = [&](ValueId id) {
    if (id == kNoValue || graph_.is_constant(id)) return std::int64_t{0};
    return element_count(trace.shapes[static_cast<std::size_t>(id)]);
  };
  for (const Step& step : steps_) {
    std::int64_t macs = 0;
    if (step.layer) {
      macs = multiply_accumulates(spec(step.layer), weight(step.layer).shape(),
                                  trace.shapes[static_cast<std::size_t>(step.inputs[0])]);
    } else if (graph_.node(step.node).op == "MatMul") {
      const auto shape_of = [&](ValueId id) {
        return graph_.is_constant(id) ? graph_.value(id).constant->shape()
                                      : trace.shapes[static_cast<std::size_t>(id)];
      };
      macs = matmul_macs(shape_of(step.inputs[0]), shape_of(step.outputs[0]));
    }
    std::int64_t moved = 0;
    for (const ValueId id : step.inputs) moved += elements(id);
    for (const ValueId id : step.outputs) moved += elements(id);
    trace.macs.push_back(macs);
    trace.work.push_back(static_cast<double>(macs) + kWorkPerElement * static_cast<double>(moved));
  }
  return trace;
}

Shape Program::image_shape(const Shape& pinned) const {
  const Value& value = graph_.value(input());
  Shape shape = value.shape.value_or(pinned);
  if (!pinned.empty() && pinned.size() != shape.size()) {
    throw Error(ErrorCode::config, fmt::format("input '{}' has {} extents, the pinned shape {}",
                                               value.name, shape.size(), pinned.size()));
  }
  for (std::size_t i = 0; i < pinned.size(); ++i) {
    if (pinned[i] > 0) shape[i] = pinned[i];
  }
  if (!shape.empty()) shape[0] = 1;
  if (shape.empty() ||
      std::ranges::any_of(shape, [](std::int64_t extent) { return extent <= 0; })) {
    throw Error(ErrorCode::config,
                fmt::format("input '{}' has extents that the model leaves open", value.name),
                graph_.name, fmt::format("Pin them, for example {}:1x3x224x224", value.name));
  }
  return shape;
}

bool Program::batchable() const {
  std::call_once(batchable_->decided, [this] {
    const std::optional<Shape>& declared = graph_.value(input()).shape;
    const bool open =
        !declared || std::any_of(declared->begin() + (declared->empty() ? 0 : 1), declared->end(),
                                 [](std::int64_t e) { return e <= 0; });
    if (open) {
      batchable_->value = !declared || declared->empty() || (*declared)[0] <= 0;
    } else if (graph_.inputs.size() == 1 && !declared->empty()) {
      batchable_->value = batch_is_independent(*this, image_shape());
    }
  });
  return batchable_->value;
}

std::int64_t natural_batch(const Program& program, const Trace& one) {
  std::int64_t largest = 1;
  std::int64_t weights = 0;
  for (const Step& step : program.steps()) {
    if (!step.layer) continue;
    const auto bytes = [&](ValueId id) { return one.bytes.at(static_cast<std::size_t>(id)); };
    largest = std::max(largest, bytes(step.inputs[0]) + bytes(step.outputs[0]));
    weights += static_cast<std::int64_t>(program.weight(step.layer).bytes());
  }
  constexpr std::int64_t kCache = std::int64_t{1} << 20, kMost = 16;
  const std::int64_t room = weights > 2 * kCache ? 2 * kCache : kCache;
  const auto fitting =
      static_cast<std::uint64_t>(std::clamp<std::int64_t>(room / largest, 1, kMost));
  return static_cast<std::int64_t>(std::bit_floor(fitting));
}

}  // namespace qsweep
