#include <algorithm>
#include <array>
#include <span>

#include "src/graph/detail/edit.h"
#include "src/graph/detail/numbers.h"
#include "src/graph/passes.h"

namespace qsweep {
namespace {

/// Rewrites one graph; keeps its snapshot of uses current as it goes.
class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph), uses_(graph), dead_(graph.nodes.size()) {}

  void run() {
    for (const NodeId id : ids<NodeId>(graph_.nodes.size())) {
      if (passes_through(graph_.node(id))) bypass(id);
    }
    for (const NodeId id : ids<NodeId>(graph_.nodes.size())) {
      const Node& node = graph_.node(id);
      if (dead_[id.index()] || !node.domain.empty()) continue;
      if (node.op == "Add") fuse_bias(id);
      if (node.op == "Gemm") normalise_gemm(id);
      if (node.op == "Slice") join_slices(id);
    }
    detail::erase_nodes(graph_, dead_);
  }

 private:
  /// True when the node's first output always equals its first input.
  [[nodiscard]] bool passes_through(const Node& node) const {
    if (!node.domain.empty() || node.inputs.empty() || node.outputs.empty()) return false;
    if (node.inputs[0] == kNoValue || node.outputs[0] == kNoValue) return false;
    if (node.op == "Identity") return true;
    if (node.op == "Dropout") return !reads_mask(node) && !may_train(node);
    if (node.op == "Cast") return casts_to_same_type(node);
    return false;
  }

  [[nodiscard]] bool reads_mask(const Node& node) const {
    if (node.outputs.size() < 2 || node.outputs[1] == kNoValue) return false;
    const auto mask = static_cast<std::size_t>(node.outputs[1]);
    return !uses_.readers[mask].empty() || uses_.is_output[mask];
  }

  /// Dropout drops only when its third operand (opset 12 on) says so.
  [[nodiscard]] bool may_train(const Node& node) const {
    if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return false;
    if (!graph_.is_constant(node.inputs[2])) return true;
    const Tensor& flag = *graph_.value(node.inputs[2]).constant;
    return flag.dtype() != DType::boolean || flag.size() != 1 || flag.data<std::uint8_t>()[0] != 0;
  }

  /// Only where the operand's type is certain: float inputs of the graph, results of float Casts
  /// and of the products and activations that follow them. ONNX codes type 1 as float32.
  [[nodiscard]] bool casts_to_same_type(const Node& node) const {
    return node.attributes.i("to", 0) == 1 && is_float32(node.inputs[0]);
  }

  [[nodiscard]] bool is_float32(ValueId id) const {
    for (;;) {
      const NodeId producer = uses_.producer_of(id);
      if (!producer) return graph_.value(id).dtype == DType::f32;
      const Node& node = graph_.node(producer);
      if (node.op == "Cast") return node.attributes.i("to", 0) == 1;
      static constexpr std::string_view kSameType[] = {
          "Add",     "AveragePool",   "BatchNormalization",
          "Conv",    "ConvTranspose", "Flatten",
          "Gemm",    "MatMul",        "MaxPool",
          "Mul",     "Relu",          "Reshape",
          "Sigmoid", "Softmax",       "Transpose"};
      const bool same = node.domain.empty() && !node.inputs.empty() && node.inputs[0] != kNoValue &&
                        node.outputs[0] == id &&
                        std::ranges::find(kSameType, node.op) != std::end(kSameType);
      if (!same) return false;
      id = node.inputs[0];
    }
  }

  /// Takes a node out by joining its input and output values. A value that is part of the model's
  /// interface keeps its identity; where both are, the node stays.
  void bypass(NodeId id) {
    const ValueId in = graph_.node(id).inputs[0];
    const ValueId out = graph_.node(id).outputs[0];
    const auto i = static_cast<std::size_t>(in);
    const auto o = static_cast<std::size_t>(out);
    if (uses_.is_output[o]) {
      const NodeId maker = uses_.producer[i];
      if (!maker || uses_.is_output[i]) return;
      std::ranges::replace(graph_.node(maker).outputs, in, out);
      uses_.producer[o] = maker;
      uses_.producer[i] = {};
      redirect(in, out, id);
    } else {
      redirect(out, in, id);
      uses_.producer[o] = {};
    }
    dead_[id.index()] = true;
  }

  /// Makes the readers of `from` read `to` instead, except `gone`, which reads nothing any more.
  void redirect(ValueId from, ValueId to, NodeId gone) {
    auto& old_readers = uses_.readers[static_cast<std::size_t>(from)];
    auto& new_readers = uses_.readers[static_cast<std::size_t>(to)];
    std::erase(new_readers, gone);
    for (const NodeId reader : old_readers) {
      if (reader == gone) continue;
      std::ranges::replace(graph_.node(reader).inputs, from, to);
      new_readers.push_back(reader);
    }
    old_readers.clear();
  }

  /// MatMul(x, W[K, N]) + b[N], in either order, becomes MatMul(x, W, b).
  void fuse_bias(NodeId add_id) {
    const Node& add = graph_.node(add_id);
    if (add.inputs.size() != 2 || add.outputs.size() != 1) return;
    for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
      const ValueId product = add.inputs[side];
      const ValueId bias = add.inputs[1 - side];
      const NodeId maker = uses_.producer_of(product);
      if (!maker || !uses_.read_once(product) || !is_float_constant(bias, 1)) continue;
      Node& matmul = graph_.node(maker);
      if (matmul.op != "MatMul" || !matmul.domain.empty() || matmul.inputs.size() != 2) continue;
      if (!is_float_constant(matmul.inputs[1], 2)) continue;
      if (graph_.value(matmul.inputs[1]).constant->dim(1) != graph_.value(bias).constant->size())
        continue;
      matmul.inputs.push_back(bias);
      matmul.outputs = add.outputs;
      uses_.producer[static_cast<std::size_t>(add.outputs[0])] = maker;
      dead_[add_id.index()] = true;
      return;
    }
  }

  [[nodiscard]] bool is_float_constant(ValueId id, int rank) const {
    if (!graph_.is_constant(id)) return false;
    const Tensor& tensor = *graph_.value(id).constant;
    return is_float(tensor.dtype()) && tensor.rank() == rank && tensor.size() > 0;
  }

  /// Brings Gemm to alpha = beta = 1 with a bias of one element per column, where its constants
  /// allow.
  void normalise_gemm(NodeId id) {
    const auto constant = [&](std::size_t operand) -> const Tensor* {
      const auto& inputs = graph_.node(id).inputs;
      if (operand >= inputs.size() || !graph_.is_constant(inputs[operand])) return nullptr;
      const Tensor& tensor = *graph_.value(inputs[operand]).constant;
      return detail::is_foldable(tensor) ? &tensor : nullptr;
    };
    Attributes& attributes = graph_.node(id).attributes;

    const Tensor* weight = constant(1);
    if (!weight || weight->rank() != 2) return;
    const std::int64_t columns = weight->dim(attributes.i("transB", 0) != 0 ? 0 : 1);
    if (const float alpha = attributes.f("alpha", 1.0F); alpha != 1.0F) {
      scale(id, 1, "weight", *weight, weight->shape(), alpha);
    }
    attributes.erase("alpha");

    const auto& operands = graph_.node(id).inputs;
    if (operands.size() < 3 || operands[2] == kNoValue) attributes.erase("beta");
    const Tensor* bias = constant(2);
    const bool is_row =
        bias && (bias->rank() == 0 || (bias->rank() <= 2 && bias->dim(-1) == bias->size()));
    if (!is_row || (bias->size() != columns && bias->size() != 1)) return;
    const float beta = attributes.f("beta", 1.0F);
    if (beta != 1.0F || bias->rank() != 1 || bias->size() != columns) {
      scale(id, 2, "bias", *bias, {columns}, beta);
    }
    attributes.erase("beta");
  }

  using Ints = std::vector<std::int64_t>;

  static constexpr std::size_t kAxes = 2, kSteps = 3;  // of a Slice's bounds

  /// Constant starts, ends, axes (counted from the front) and steps of a Slice; empty for others.
  [[nodiscard]] std::vector<Ints> slice_bounds(const Node& node) const {
    if (node.op != "Slice" || !node.domain.empty() || node.inputs.size() <= 1 + kAxes) return {};
    std::vector<Ints> bounds;
    for (const ValueId operand : std::span(node.inputs).subspan(1)) {
      if (!graph_.is_constant(operand)) return {};
      const Tensor& tensor = *graph_.value(operand).constant;
      if (tensor.dtype() != DType::i64) return {};
      bounds.emplace_back(tensor.data<std::int64_t>().begin(), tensor.data<std::int64_t>().end());
    }
    if (bounds.size() == kSteps) bounds.push_back(Ints(bounds[0].size(), 1));
    const bool sound =
        std::ranges::all_of(bounds, [&](const Ints& b) { return b.size() == bounds[0].size(); }) &&
        std::ranges::all_of(bounds[kAxes], [](auto axis) { return axis >= 0; });
    return sound ? bounds : std::vector<Ints>{};
  }

  /// Slice(Slice(x)) along other axes becomes one Slice of x, as in a detector's focus.
  void join_slices(NodeId id) {
    Node& outer = graph_.node(id);
    const ValueId between = outer.inputs.at(0);
    const NodeId maker = uses_.producer_of(between);
    if (!maker || !uses_.read_once(between)) return;
    const Node& inner = graph_.node(maker);
    std::vector<Ints> bounds = slice_bounds(inner);
    const std::vector<Ints> more = slice_bounds(outer);
    if (bounds.empty() || more.empty()) return;
    if (std::ranges::find_first_of(bounds[kAxes], more[kAxes]) != bounds[kAxes].end()) return;
    const ValueId source = inner.inputs[0];
    outer.inputs = {source};
    static constexpr std::array kRoles = {".starts", ".ends", ".axes", ".steps"};
    for (std::size_t i = 0; i < kRoles.size(); ++i) {
      bounds[i].insert(bounds[i].end(), more[i].begin(), more[i].end());
      const Shape shape = {static_cast<std::int64_t>(bounds[i].size())};
      outer.inputs.push_back(
          detail::add_constant(graph_, outer.name + kRoles.at(i),
                               Tensor::of<std::int64_t>(DType::i64, shape, bounds[i])));
    }
    std::ranges::replace(uses_.readers[static_cast<std::size_t>(source)], maker, id);
    uses_.readers[static_cast<std::size_t>(between)].clear();
    uses_.producer[static_cast<std::size_t>(between)] = {};
    dead_[maker.index()] = true;
  }

  /// Replaces a constant operand by its elements times `factor`; one element spreads over the
  /// shape.
  void scale(NodeId id,
             std::size_t operand,
             const std::string& role,
             const Tensor& tensor,
             const Shape& shape,
             float factor) {
    std::vector<double> elements = detail::to_doubles(tensor);
    if (elements.size() == 1) {
      elements.assign(static_cast<std::size_t>(element_count(shape)), elements[0]);
    }
    for (double& e : elements) e *= static_cast<double>(factor);
    detail::replace_constant(graph_, uses_, id, operand, role,
                             detail::from_doubles(tensor.dtype(), shape, elements));
  }

  Graph& graph_;
  detail::Uses uses_;
  std::vector<bool> dead_;
};

}  // namespace

void fuse_patterns(Graph& graph) {
  Fuser(graph).run();
}

}  // namespace qsweep
