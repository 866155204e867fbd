#include "io/onnx/detail/graph_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "src/base/error.h"

#include "src/quant/float_codes.h"

#include "io/onnx/detail/opset.h"
#include "io/onnx/detail/tensor_writer.h"
#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

void write_attribute(const std::string& name,
                     const Attributes::Value& value,
                     onnx::NodeProto& node) {
  auto& proto = *node.add_attribute();
  proto.set_name(name);
  using Type = onnx::AttributeProto;
  if (const auto* i = std::get_if<std::int64_t>(&value)) {
    proto.set_type(Type::INT);
    proto.set_i(*i);
  } else if (const auto* f = std::get_if<float>(&value)) {
    proto.set_type(Type::FLOAT);
    proto.set_f(*f);
  } else if (const auto* s = std::get_if<std::string>(&value)) {
    proto.set_type(Type::STRING);
    proto.set_s(*s);
  } else if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&value)) {
    proto.set_type(Type::INTS);
    for (const std::int64_t x : *ints) proto.add_ints(x);
  } else if (const auto* floats = std::get_if<std::vector<float>>(&value)) {
    proto.set_type(Type::FLOATS);
    for (const float x : *floats) proto.add_floats(x);
  } else if (const auto* strings = std::get_if<std::vector<std::string>>(&value)) {
    proto.set_type(Type::STRINGS);
    for (const std::string& x : *strings) proto.add_strings(x);
  } else {
    proto.set_type(Type::TENSOR);
    write_tensor(std::get<Tensor>(value), "", *proto.mutable_t());
  }
}

/// Extents of the scales of a tensor: none, the channels, or the shape with one axis in blocks.
Shape scale_shape(const Shape& shape, const QuantParams& params) {
  if (params.format.granularity == Granularity::per_tensor) return {};
  const auto axis = static_cast<std::size_t>(params.axis);
  if (params.format.granularity == Granularity::per_channel) return {shape.at(axis)};
  Shape blocks = shape;
  const std::int64_t size = params.format.block_size;
  blocks.at(axis) = (blocks.at(axis) + size - 1) / size;
  return blocks;
}

Tensor zero_point_tensor(const Shape& shape, const QuantParams& params) {
  Tensor zeros(params.format.dtype, shape);
  const auto out = zeros.mutable_data<std::uint8_t>();
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < params.zero_point.size(); ++i)
    out[i] = static_cast<std::uint8_t>(params.zero_point[i]);
  return zeros;
}

/// Rounded floats as the two bytes they fit.
Tensor narrowed(const Tensor& rounded, DType to) {
  Tensor out(to, rounded.shape());
  const auto encode = to == DType::f16 ? float_to_half : float_to_bfloat16;
  std::ranges::transform(rounded.data<float>(), out.mutable_data<std::uint16_t>().begin(), encode);
  return out;
}

/// s_x * s_w, rounded to FP32 once: one, or one for each of `channels` output channels.
std::vector<float> product_scales(const LayerExport& format, std::int64_t channels) {
  const std::vector<float>& weight = format.weight.params.scale;
  if (weight.size() == 1) return {format.activation.scale.at(0) * weight[0]};
  std::vector<float> scales;
  // A grouped ConvTranspose has one scale for each output channel of a group.
  for (std::size_t o = 0; o < static_cast<std::size_t>(channels); ++o)
    scales.push_back(format.activation.scale.at(0) * weight[o % weight.size()]);
  return scales;
}

/// The bias on the grid of the product, as the integer kernel rounds it (kernels/linear.h).
Tensor bias_codes(const Tensor& bias, const LayerExport& format) {
  const std::vector<float> scales = product_scales(format, bias.size());
  const auto real = bias.data<float>();
  Tensor codes(DType::i32, bias.shape());
  const auto out = codes.mutable_data<std::int32_t>();
  using Limits = std::numeric_limits<std::int32_t>;
  for (std::size_t o = 0; o < real.size(); ++o) {
    const double scale = static_cast<double>(scales[scales.size() == 1 ? 0 : o]);
    const double code = std::nearbyint(static_cast<double>(real[o]) / scale);
    out[o] = static_cast<std::int32_t>(
        std::clamp(code, static_cast<double>(Limits::min()), static_cast<double>(Limits::max())));
  }
  return codes;
}

/// [N, K] codes as [K, N].
Tensor transposed(const Tensor& codes) {
  const std::int64_t rows = codes.dim(0), columns = codes.dim(1);
  Tensor out(codes.dtype(), {columns, rows});
  const auto from = codes.data<std::int8_t>();
  const auto to = out.mutable_data<std::int8_t>();
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c)
      to[static_cast<std::size_t>(c * rows + r)] = from[static_cast<std::size_t>(r * columns + c)];
  }
  return out;
}

bool is_left_alone(const QuantParams& params) {
  return !params.format.is_quantized();
}

}  // namespace

GraphWriter::GraphWriter(const Graph& graph,
                         const std::map<std::string, LayerPlan>& plans,
                         std::span<const ValueExport> values,
                         const ExportOptions& options,
                         onnx::GraphProto& proto)
    : graph_(graph), plans_(plans), options_(options), proto_(proto), names_(graph) {
  for (const ValueExport& v : values) values_.emplace(v.value, v.params);
}

void GraphWriter::write(ExportedModel& model) {
  proto_.set_name(graph_.name.empty() ? "graph" : graph_.name);
  for (const ValueId id : graph_.inputs) describe(id, *proto_.add_input());
  for (const Node& node : graph_.nodes) {
    const auto plan = plans_.find(node.name);
    if (plan == plans_.end()) {
      write_node(node);
    } else {
      write_layer(node, plan->second);
    }
  }
  for (const ValueId id : graph_.outputs) {
    describe(id, *proto_.add_output());
    (void)operand(id);
  }
  for (const auto& node : proto_.node()) {
    model.quantize_nodes += node.op_type() == "QuantizeLinear" ? 1 : 0;
    model.dequantize_nodes += node.op_type() == "DequantizeLinear" ? 1 : 0;
    model.cast_nodes += node.op_type() == "Cast" ? 1 : 0;
  }
  for (const auto& tensor : proto_.initializer())
    model.initializer_bytes += static_cast<std::int64_t>(tensor.raw_data().size());
}

void GraphWriter::write_node(const Node& node) {
  std::vector<std::string> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(operand(id));
  auto& proto = *proto_.add_node();
  proto.set_name(node.name);
  proto.set_op_type(node.op);
  proto.set_domain(node.domain);
  for (const std::string& input : inputs) proto.add_input(input);
  for (const ValueId id : node.outputs) proto.add_output(id == kNoValue ? "" : written(id));
  for (const auto& [name, value] : node.attributes.all()) write_attribute(name, value, proto);
}

void GraphWriter::write_layer(const Node& node, const LayerPlan& plan) {
  const Layer& layer = *plan.layer;
  const LayerExport& format = *plan.format;
  if (options_.integer_operators && format.integer && node.op != "ConvTranspose")
    return write_integer_layer(node, plan);
  const std::string input = rounded_input(source(layer, format), format.activation);
  const std::string weight =
      is_left_alone(format.weight.params) ? operand(layer.weight) : rounded_weight(layer, format);
  const std::string bias = rounded_bias(layer, format);

  auto& proto = *proto_.add_node();
  proto.set_name(node.name);
  proto.set_op_type(node.op);
  proto.add_input(input);
  proto.add_input(weight);
  proto.add_output(written(node.outputs.at(0)));
  for (const auto& [name, value] : node.attributes.all()) write_attribute(name, value, proto);
  if (bias.empty()) return;
  if (node.op == "MatMul") {
    write_matmul_bias(proto, node, bias);
  } else {
    proto.add_input(bias);
  }
}

/// y = (sum (x_q - z_x) * w_q + b_q) * (s_x * s_w).
void GraphWriter::write_integer_layer(const Node& node, const LayerPlan& plan) {
  const Layer& layer = *plan.layer;
  const LayerExport& format = *plan.format;
  const bool is_conv = node.op == "Conv";
  const Codes input = codes_of(source(layer, format), format.activation);
  Tensor codes = format.weight.codes.reinterpreted(DType::i8);
  if (node.op == "Gemm" && node.attributes.i("transB", 0) != 0) codes = transposed(codes);
  const std::int64_t channels = codes.dim(is_conv ? 0 : 1);
  Shape per_channel = {channels};  // broadcasts along the axis of output channels
  if (is_conv) per_channel.insert(per_channel.end(), static_cast<std::size_t>(codes.rank() - 2), 1);

  const std::string& base = node.name;
  std::vector<std::string> operands = {input.name, initializer(base + "_weight_quantized", codes),
                                       input.scaling.at(1)};
  auto& product = *proto_.add_node();
  product.set_name(node.name);
  product.set_op_type(is_conv ? "ConvInteger" : "MatMulInteger");
  for (const std::string& operand : operands) product.add_input(operand);
  product.add_output(names_.unique(base + "_product"));
  if (is_conv) {
    for (const auto& [name, value] : node.attributes.all()) write_attribute(name, value, product);
  }
  std::string sum = product.output(0);
  if (const Tensor real = bias_of(layer, format); !real.empty()) {
    const Tensor bias = bias_codes(real, format);
    sum = add_node("Add", {sum, initializer(base + "_bias_quantized", bias.reshaped(per_channel))},
                   base)
              .output(0);
  }
  const std::vector<float> scales = product_scales(format, channels);
  const Shape extents = scales.size() == 1 ? Shape{} : per_channel;
  auto& scaled =
      add_node("Mul",
               {cast(sum, base, DType::f32),
                initializer(base + "_scale", Tensor::of<float>(DType::f32, extents, scales))},
               base);
  scaled.set_output(0, written(node.outputs.at(0)));
}

void GraphWriter::write_matmul_bias(onnx::NodeProto& matmul,
                                    const Node& node,
                                    const std::string& bias) {
  const std::string product = names_.unique(node.name + "_product");
  matmul.set_output(0, product);
  auto& add = *proto_.add_node();
  add.set_name(names_.unique(node.name + "_bias"));
  add.set_op_type("Add");
  add.add_input(product);
  add.add_input(bias);
  add.add_output(written(node.outputs.at(0)));
}

std::string GraphWriter::written(ValueId id) {
  const std::string& name = graph_.value(id).name;
  const bool is_output = std::ranges::find(graph_.outputs, id) != graph_.outputs.end();
  if (!is_output || !values_.contains(id)) return name;
  // The rounded value has the output's name.
  const auto [known, is_new] = real_outputs_.try_emplace(id);
  if (is_new) known->second = names_.unique(name + "_real");
  return known->second;
}

std::string GraphWriter::operand(ValueId id) {
  if (id == kNoValue) return {};
  if (const auto rounding = values_.find(id); rounding != values_.end()) {
    const auto known = rounded_values_.find(id);
    if (known != rounded_values_.end()) return known->second;
    const Source source{id, {}, written(id)};
    std::string name = rounded_input(source, rounding->second);
    if (real_outputs_.contains(id)) {
      name = graph_.value(id).name;
      proto_.mutable_node(proto_.node_size() - 1)->set_output(0, name);
      inputs_.back().name = name;
    }
    rounded_values_[id] = name;
    return name;
  }
  const Value& value = graph_.value(id);
  if (value.constant && written_constants_.insert(id).second)
    write_tensor(*value.constant, value.name, *proto_.add_initializer());
  return value.name;
}

GraphWriter::Source GraphWriter::source(const Layer& layer, const LayerExport& format) {
  // Rounding the value itself to the same codes gives what rounding the rounded one would.
  const auto rounding = values_.find(layer.input);
  const bool is_same = rounding != values_.end() && format.input_factor.empty() &&
                       rounding->second == format.activation;
  if (is_same) {
    (void)operand(layer.input);
    return {layer.input, {}, written(layer.input)};
  }
  const std::string x = operand(layer.input);
  if (format.input_factor.empty()) return {layer.input, {}, x};
  for (const Source& known : sources_) {
    if (known.value == layer.input && known.factor == format.input_factor) return known;
  }
  Shape extents = {static_cast<std::int64_t>(format.input_factor.size())};
  const std::size_t rank = graph_.value(layer.weight).constant->shape().size();
  if (layer.op == "Conv") extents.insert(extents.end(), rank - 2, 1);
  const std::string factor =
      initializer(x + "_factor", Tensor::of<float>(DType::f32, extents, format.input_factor));
  sources_.push_back({layer.input, format.input_factor, add_node("Mul", {x, factor}, x).output(0)});
  return sources_.back();
}

std::string GraphWriter::rounded_input(const Source& source, const QuantParams& params) {
  const std::string& x = source.name;
  if (is_left_alone(params)) return x;
  for (const Rounded& known : inputs_) {
    if (known.from == x && known.params == params) return known.name;
  }
  std::string name;
  if (!has_scale(params.format)) {
    name = cast(cast(x, x, params.format.dtype), x, DType::f32);
  } else {
    const Codes& codes = codes_of(source, params);
    name = dequantize(codes.name, x, codes.scaling, params);
  }
  inputs_.push_back({x, params, name});
  return name;
}

const GraphWriter::Codes& GraphWriter::codes_of(const Source& source, const QuantParams& params) {
  const std::string& x = source.name;
  for (const Codes& known : codes_) {
    if (known.from == x && known.params == params) return known;
  }
  const std::vector<std::string> scaling = parameters(x, {}, params);
  std::vector<std::string> operands = {clipped(source, params)};
  operands.insert(operands.end(), scaling.begin(), scaling.end());
  auto& quantize = add_node("QuantizeLinear", operands, x);
  if (scaling.size() == 1) {
    const auto type = static_cast<std::int64_t>(onnx_type_of(params.format.dtype));
    write_attribute("output_dtype", type, quantize);
  }
  codes_.push_back({x, params, quantize.output(0), scaling});
  return codes_.back();
}

std::string GraphWriter::rounded_weight(const Layer& layer, const LayerExport& format) {
  const QuantizedWeight& weight = format.weight;
  const QuantParams& params = weight.params;
  const std::string& base = graph_.value(layer.weight).name;
  for (const Rounded& known : weights_) {
    const bool same = known.from == base && known.params == params &&
                      known.codes.bytes() == weight.codes.bytes() &&
                      std::memcmp(known.codes.raw(), weight.codes.raw(), weight.codes.bytes()) == 0;
    if (same) return known.name;
  }
  std::string name;
  if (!has_scale(params.format)) {
    const DType dtype = params.format.dtype;
    name = cast(initializer(fmt::format("{}_{}", base, qsweep::name_of(dtype)),
                            narrowed(weight.codes, dtype)),
                base, DType::f32);
  } else {
    QuantParams stored = params;
    if (params.format.dtype == DType::i4 && is_int4_in_int8(format, options_))
      stored.format.dtype = DType::i8;
    const std::string codes =
        initializer(base + "_quantized", weight.codes.reinterpreted(stored.format.dtype));
    name = dequantize(codes, base, parameters(base, weight.codes.shape(), stored), stored);
  }
  weights_.push_back({base, params, name, weight.codes});
  return name;
}

Tensor GraphWriter::bias_of(const Layer& layer, const LayerExport& format) const {
  if (!format.bias.empty()) return format.bias;
  return layer.bias == kNoValue ? Tensor() : *graph_.value(layer.bias).constant;
}

std::string GraphWriter::rounded_bias(const Layer& layer, const LayerExport& format) {
  const Tensor real = bias_of(layer, format);
  if (real.empty()) return {};
  // Layers may share a bias and have scales of their own, so it is named after the layer.
  const std::string base = layer.name + "_bias";
  if (!format.integer) return format.bias.empty() ? operand(layer.bias) : initializer(base, real);
  const Tensor codes = bias_codes(real, format);
  QuantParams params;
  params.format = format.weight.params.format;
  params.format.dtype = DType::i32;
  params.axis = 0;
  params.scale = product_scales(format, codes.size());
  // The channels of a depthwise ConvTranspose share the one scale of its weight's axis 1.
  if (params.scale.size() == 1) params.format.granularity = Granularity::per_tensor;
  return dequantize(initializer(base + "_quantized", codes), base,
                    parameters(base, codes.shape(), params), params);
}

std::string GraphWriter::clipped(const Source& source, const QuantParams& params) {
  const std::string& x = source.name;
  if (!is_integer(params.format.dtype)) return x;
  Format full = params.format;
  full.narrow_range = full.reduce_range = false;
  const CodeRange have = code_range(params.format);
  const CodeRange type = code_range(full);
  if (have.lowest == type.lowest && have.highest == type.highest) return x;
  const NodeId producer = graph_.producer(source.value);  // factors are positive
  const bool is_positive = producer && graph_.node(producer).op == "Relu";
  if (have.highest == type.highest && is_positive) return x;
  const auto bound = [&](std::int32_t code, const char* role) {
    const std::int32_t zero = params.zero_point.empty() ? 0 : params.zero_point[0];
    const float real = static_cast<float>(code - zero) * params.scale.at(0);
    return initializer(x + role, Tensor::of<float>(DType::f32, {}, std::span(&real, 1)));
  };
  return add_node("Clip", {x, bound(have.lowest, "_lowest"), bound(have.highest, "_highest")}, x)
      .output(0);
}

std::string GraphWriter::cast(const std::string& x, const std::string& base, DType to) {
  auto& node = add_node("Cast", {x}, base);
  write_attribute("to", static_cast<std::int64_t>(onnx_type_of(to)), node);
  return node.output(0);
}

std::string GraphWriter::dequantize(const std::string& codes,
                                    const std::string& base,
                                    const std::vector<std::string>& parameters,
                                    const QuantParams& params) {
  std::vector<std::string> inputs = {codes};
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  auto& node = add_node("DequantizeLinear", inputs, base);
  if (params.format.granularity != Granularity::per_tensor)
    write_attribute("axis", static_cast<std::int64_t>(params.axis), node);
  if (params.format.granularity == Granularity::per_block)
    write_attribute("block_size", params.format.block_size, node);
  return node.output(0);
}

/// Scale, and the zero point where it is not 0, names the type of the codes, or is looked for by
/// runtimes that fuse INT8 layers. From opset 21 on an attribute names float8: ONNX Runtime 1.31
/// takes a float8 zero point for an integer's and drops the Relu before it.
std::vector<std::string> GraphWriter::parameters(const std::string& base,
                                                 const Shape& shape,
                                                 const QuantParams& params) {
  const Shape extents = scale_shape(shape, params);
  std::vector<std::string> names = {
      initializer(base + "_scale", Tensor::of<float>(DType::f32, extents, params.scale))};
  const bool names_type =
      shape.empty() && (is_integer(params.format.dtype) || graph_.opset < kTypeAttributeOpset);
  const bool is_byte = params.format.dtype == DType::i8 || params.format.dtype == DType::u8;
  const bool is_block = params.format.granularity == Granularity::per_block;
  if (names_type || !params.zero_point.empty() || (is_byte && !is_block))
    names.push_back(initializer(base + "_zero_point", zero_point_tensor(extents, params)));
  return names;
}

std::string GraphWriter::initializer(const std::string& wanted, const Tensor& tensor) {
  const std::string name = names_.unique(wanted);
  write_tensor(tensor, name, *proto_.add_initializer());
  return name;
}

onnx::NodeProto& GraphWriter::add_node(const std::string& op,
                                       const std::vector<std::string>& inputs,
                                       const std::string& base) {
  auto& node = *proto_.add_node();
  node.set_name(names_.unique(base + "_" + op));
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(names_.unique(node.name() + "_Output"));
  return node;
}

void GraphWriter::describe(ValueId id, onnx::ValueInfoProto& info) const {
  const Value& value = graph_.value(id);
  info.set_name(value.name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<std::int32_t>(onnx_type_of(value.dtype)));
  if (!value.shape) return;
  auto& shape = *type.mutable_shape();
  for (std::size_t i = 0; i < value.shape->size(); ++i) {
    auto& dim = *shape.add_dim();
    if (const std::int64_t extent = (*value.shape)[i]; extent >= 0) {
      dim.set_dim_value(extent);
    } else if (i == 0) {
      dim.set_dim_param("N");
    } else {
      dim.set_dim_param(fmt::format("{}_{}", value.name, i));
    }
  }
}

}  // namespace qsweep::detail
