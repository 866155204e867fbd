#include "io/onnx/export.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>
#include <unistd.h>

#include "src/graph/layers.h"
#include "src/graph/passes.h"

#include "io/onnx/import.h"

#include "tests/support/onnx_builder.h"

namespace qsweep {
namespace {

using testing::add_attribute;
using testing::OnnxBuilder;

/// x -> Conv(3 -> 2, 1x1, bias) -> Relu -> Flatten -> two Gemm that read the same value -> Add -> y
Graph two_branches(int opset = 17) {
  OnnxBuilder b(opset);
  b.input("x", {-1, 3, 2, 2});
  b.floats("w", {2, 3, 1, 1}, {0.5f, -1.0f, 0.25f, 2.0f, 0.125f, -0.75f});
  b.floats("wb", {2}, {0.3f, -0.7f});
  b.floats("g1", {2, 8}, std::vector<float>(16, 0.5f));
  b.floats("g2", {2, 8}, std::vector<float>(16, -0.25f));
  b.node("Conv", {"x", "w", "wb"}, {"c"}, "conv");
  b.node("Relu", {"c"}, {"r"}, "relu");
  b.node("Flatten", {"r"}, {"f"}, "flat");
  auto& one = b.node("Gemm", {"f", "g1"}, {"p"}, "one");
  add_attribute(one, "transB", onnx::AttributeProto::INT).set_i(1);
  auto& two = b.node("Gemm", {"f", "g2"}, {"q"}, "two");
  add_attribute(two, "transB", onnx::AttributeProto::INT).set_i(1);
  b.node("Add", {"p", "q"}, {"y"}, "sum");
  b.output("y", {-1, 2});
  const std::string bytes = b.bytes();
  return import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
}

/// Every layer of a graph at one precision, its input in [-1, 3].
std::vector<LayerExport> at(const Graph& graph,
                            const std::vector<Layer>& layers,
                            const std::string& precision,
                            const QuantDefaults& defaults = {}) {
  const Precision p = parse_precision(precision, defaults);
  std::vector<LayerExport> exports;
  for (const Layer& layer : layers) {
    LayerExport e;
    e.activation.format = p.activation;
    if (has_scale(p.activation)) e.activation = params_from_range(-1.0f, 3.0f, p.activation);
    e.weight = quantize_weight(*graph.value(layer.weight).constant,
                               {layer.output_axis, layer.input_axis}, p.weight);
    e.integer = is_integer_arithmetic(p);
    exports.push_back(std::move(e));
  }
  return exports;
}

struct File {
  ExportedModel exported;
  onnx::ModelProto model;

  [[nodiscard]] const onnx::NodeProto* maker(const std::string& value) const {
    for (const auto& node : model.graph().node()) {
      for (const auto& output : node.output()) {
        if (output == value) return &node;
      }
    }
    return nullptr;
  }
  [[nodiscard]] const onnx::NodeProto& node(const std::string& name) const {
    for (const auto& n : model.graph().node()) {
      if (n.name() == name) return n;
    }
    throw std::runtime_error("no node " + name);
  }
  [[nodiscard]] const onnx::TensorProto& tensor(const std::string& name) const {
    for (const auto& t : model.graph().initializer()) {
      if (t.name() == name) return t;
    }
    throw std::runtime_error("no tensor " + name);
  }
  template <class T>
  [[nodiscard]] std::vector<T> elements(const std::string& name) const {
    const std::string& raw = tensor(name).raw_data();
    std::vector<T> out(raw.size() / sizeof(T));
    std::memcpy(out.data(), raw.data(), out.size() * sizeof(T));
    return out;
  }
};

File write(const Graph& graph, const std::string& precision, ExportOptions options = {}) {
  const std::vector<Layer> layers = find_layers(graph);
  File file;
  file.exported = export_onnx(graph, layers, at(graph, layers, precision), options);
  EXPECT_TRUE(file.model.ParseFromArray(file.exported.bytes.data(),
                                        static_cast<int>(file.exported.bytes.size())));
  return file;
}

Error error_of(const Graph& graph, const std::string& precision, ExportOptions options) {
  try {
    (void)write(graph, precision, options);
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "written";
  return Error(ErrorCode::internal, "written");
}

TEST(Export, ConsumersOfAValueShareOneQdqPair) {
  const File file = write(two_branches(), "W8A8");
  // Inputs of conv and of both Gemm; three weights and one bias.
  EXPECT_EQ(file.exported.quantize_nodes, 2);
  EXPECT_EQ(file.exported.dequantize_nodes, 2 + 3 + 1);
  EXPECT_EQ(file.node("one").input(0), file.node("two").input(0));
  const onnx::NodeProto* dq = file.maker(file.node("one").input(0));
  ASSERT_NE(dq, nullptr);
  EXPECT_EQ(dq->op_type(), "DequantizeLinear");
  EXPECT_EQ(file.maker(dq->input(0))->input(0), "f");
  EXPECT_EQ(file.tensor(dq->input(2)).data_type(), onnx::TensorProto::UINT8);
}

TEST(Export, NamesOfTheModelStay) {
  const File file = write(two_branches(), "W8A8");
  const auto& graph = file.model.graph();
  EXPECT_EQ(graph.input(0).name(), "x");
  EXPECT_EQ(graph.input(0).type().tensor_type().shape().dim(0).dim_param(), "N");
  EXPECT_EQ(graph.output(0).name(), "y");
  for (const char* name : {"conv", "relu", "flat", "one", "two", "sum"})
    EXPECT_NO_THROW((void)file.node(name));
}

TEST(Export, IntegerBiasIsOnTheGridOfTheProduct) {
  const File file = write(two_branches(), "W8A8");
  const float x_scale = 4.0f / 255.0f;
  const float w_scale[] = {1.0f / 127.0f, 2.0f / 127.0f};
  const float bias[] = {0.3f, -0.7f};
  const auto codes = file.elements<std::int32_t>("conv_bias_quantized");
  const auto scales = file.elements<float>("conv_bias_scale");
  ASSERT_EQ(codes.size(), 2u);
  for (std::size_t o = 0; o < 2; ++o) {
    EXPECT_EQ(scales[o], x_scale * w_scale[o]);
    EXPECT_EQ(codes[o], std::lround(bias[o] / (x_scale * w_scale[o])));
  }
  // A weight-only layer keeps its float bias.
  EXPECT_EQ(write(two_branches(), "W8A16").node("conv").input(2), "wb");
}

/// x -> ConvTranspose(4 channels in 4 groups, bias) -> y: one scale for all channels.
Graph depthwise_transposed() {
  OnnxBuilder b(17);
  b.input("x", {-1, 4, 2, 2});
  b.floats("w", {4, 1, 1, 1}, {0.5f, -1.0f, 0.25f, 2.0f});
  b.floats("wb", {4}, {0.3f, -0.7f, 0.1f, 0.2f});
  add_attribute(b.node("ConvTranspose", {"x", "w", "wb"}, {"y"}, "up"), "group",
                onnx::AttributeProto::INT)
      .set_i(4);
  b.output("y", {-1, 4, 2, 2});
  const std::string bytes = b.bytes();
  return import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
}

TEST(Export, BiasOfADepthwiseTransposedConvolutionHasOneScale) {
  const File file = write(depthwise_transposed(), "W8A8");
  EXPECT_EQ(file.tensor("up_bias_scale").dims_size(), 0);
  const float scale = 4.0f / 255.0f * (2.0f / 127.0f);
  EXPECT_EQ(file.elements<float>("up_bias_scale"), std::vector<float>{scale});
  EXPECT_EQ(file.elements<std::int32_t>("up_bias_quantized")[1], std::lround(-0.7f / scale));
}

TEST(Export, TransposedConvolutionsAmongIntegerOperatorsHaveTheirInt4InInt8Too) {
  const File file = write(depthwise_transposed(), "W4A8", {.integer_operators = true});
  EXPECT_EQ(file.exported.opset, 17);
  EXPECT_EQ(file.tensor("w_quantized").data_type(), onnx::TensorProto::INT8);
}

TEST(Export, Int4IsPackedLowHalfFirst) {
  const File file = write(two_branches(), "W4A16");
  const auto& codes = file.tensor("w_quantized");
  EXPECT_EQ(codes.data_type(), 22);  // INT4
  // Rows scaled by 1/7 and 2/7: {3.49999988 -> 3, -7, 1.75 -> 2}, {7, 0.4375 -> 0, -2.625 -> -3}.
  const std::string expected = {'\x93', '\x72', '\xd0'};
  EXPECT_EQ(codes.raw_data(), expected);
  EXPECT_EQ(file.exported.opset, 21);
  EXPECT_EQ(file.exported.ir_version, 10);

  const File bytes = write(two_branches(), "W4A16", {.int4_as_int8 = true});
  EXPECT_EQ(bytes.tensor("w_quantized").data_type(), onnx::TensorProto::INT8);
  EXPECT_EQ(bytes.elements<std::int8_t>("w_quantized"),
            (std::vector<std::int8_t>{3, -7, 2, 7, 0, -3}));
  EXPECT_EQ(bytes.exported.opset, 17);
}

TEST(Export, BlocksCarryTheirSizeAndRoundUp) {
  const File file = write(two_branches(), "W4A16:g2");
  const auto& dq = *file.maker(file.node("conv").input(1));
  std::map<std::string, std::int64_t> attributes;
  for (const auto& a : dq.attribute()) attributes[a.name()] = a.i();
  EXPECT_EQ(attributes.at("axis"), 1);
  EXPECT_EQ(attributes.at("block_size"), 2);
  const auto& scale = file.tensor(dq.input(1));
  EXPECT_EQ(std::vector<std::int64_t>(scale.dims().begin(), scale.dims().end()),
            (std::vector<std::int64_t>{2, 2, 1, 1}));  // three channels: blocks of two and one
}

TEST(Export, OpsetIsTheLeastThatTheFormatsNeed) {
  EXPECT_EQ(write(two_branches(11), "FP32").exported.opset, 11);
  EXPECT_EQ(write(two_branches(11), "FP16").exported.opset, 11);
  EXPECT_EQ(write(two_branches(11), "W8A8").exported.opset, 13);
  EXPECT_EQ(write(two_branches(11), "W8FA16").exported.opset, 19);
  EXPECT_EQ(write(two_branches(11), "W8FA16").exported.ir_version, 9);
  EXPECT_EQ(write(two_branches(11), "W8FA8F").exported.opset, 21);
  EXPECT_EQ(write(two_branches(11), "W8FA8F", {.opset = 19}).exported.opset, 19);
  EXPECT_EQ(write(two_branches(11), "W8A16:g2").exported.opset, 21);
  EXPECT_EQ(write(two_branches(11), "W8A8", {.opset = 18}).exported.opset, 18);
}

TEST(Export, OpsetThatIsTooOldIsRefusedByLayer) {
  const Error int4 = error_of(two_branches(), "W4A8", {.opset = 19});
  EXPECT_EQ(int4.code(), ErrorCode::config);
  EXPECT_EQ(int4.message(), "int4 needs opset 21, and 19 was asked for");
  EXPECT_EQ(int4.where(), "conv");
  const Error fp8 = error_of(two_branches(), "W8A8F", {.opset = 18});
  EXPECT_EQ(fp8.message(), "float8e4m3fn needs opset 19, and 18 was asked for");
  EXPECT_EQ(error_of(two_branches(17), "FP32", {.opset = 13}).code(), ErrorCode::config);
}

TEST(Export, Float8HasItsTypeInTheZeroPointThenInAnAttribute) {
  const File file = write(two_branches(), "W8FA8F", {.opset = 19});
  const auto& dq = *file.maker(file.node("one").input(0));
  EXPECT_EQ(file.tensor(dq.input(2)).data_type(), 17);  // FLOAT8E4M3FN
  EXPECT_EQ(file.elements<float>(dq.input(1)), std::vector<float>{3.0f / 448.0f});
  EXPECT_EQ(file.tensor("w_quantized").data_type(), 17);
  const File newer = write(two_branches(), "W8FA8F");
  const auto& q = *newer.maker(newer.maker(newer.node("one").input(0))->input(0));
  EXPECT_EQ(q.input_size(), 2);
  EXPECT_EQ(q.attribute(0).name(), "output_dtype");
  EXPECT_EQ(q.attribute(0).i(), 17);
}

TEST(Export, HalfPrecisionLayersCastThereAndBack) {
  const File file = write(two_branches(), "FP16");
  EXPECT_EQ(file.exported.cast_nodes, 2 * 2 + 3);  // two values there and back, three weights back
  const auto& back = *file.maker(file.node("conv").input(1));
  EXPECT_EQ(back.op_type(), "Cast");
  EXPECT_EQ(file.elements<std::uint16_t>(back.input(0)),
            (std::vector<std::uint16_t>{0x3800, 0xbc00, 0x3400, 0x4000, 0x3000, 0xba00}));
}

TEST(Export, NarrowCodesGetAClipUnlessNothingIsNegative) {
  const Graph graph = two_branches();
  const std::vector<Layer> layers = find_layers(graph);
  QuantDefaults symmetric;
  symmetric.activation_symmetric = true;
  symmetric.activation_int8 = DType::i8;
  const ExportedModel model = export_onnx(graph, layers, at(graph, layers, "W8A8", symmetric));
  onnx::ModelProto proto;
  ASSERT_TRUE(proto.ParseFromArray(model.bytes.data(), static_cast<int>(model.bytes.size())));
  std::vector<std::string> clipped;
  for (const auto& node : proto.graph().node()) {
    if (node.op_type() == "Clip") clipped.push_back(node.input(0));
  }
  EXPECT_EQ(clipped, (std::vector<std::string>{"x", "f"}));  // f is behind a Flatten, not a Relu
}

TEST(Export, MatMulWithBiasBecomesTwoNodes) {
  OnnxBuilder b;
  b.input("x", {-1, 2});
  b.floats("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  b.floats("b", {3}, {7, 8, 9});
  b.node("MatMul", {"x", "w"}, {"t"}, "fc");
  b.node("Add", {"t", "b"}, {"y"}, "add");
  b.output("y", {-1, 3});
  const std::string bytes = b.bytes();
  Graph graph = import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
  fuse_patterns(graph);
  remove_dead(graph);
  ASSERT_EQ(graph.nodes.size(), 1u);
  const File file = write(graph, "W8A8");
  EXPECT_EQ(file.node("fc").input_size(), 2);
  const auto& add = *file.maker("y");
  EXPECT_EQ(add.op_type(), "Add");
  EXPECT_EQ(add.input(0), file.node("fc").output(0));
  EXPECT_EQ(file.maker(add.input(1))->op_type(), "DequantizeLinear");
}

TEST(Export, IntegerOperatorsAddTheBiasBeforeScaling) {
  const File file = write(two_branches(), "W4A8", {.integer_operators = true});
  EXPECT_EQ(file.exported.opset, 17);  // INT4 codes are in INT8 tensors
  EXPECT_EQ(file.exported.dequantize_nodes, 0);
  EXPECT_EQ(file.exported.quantize_nodes, 2);
  const auto& conv = file.node("conv");
  EXPECT_EQ(conv.op_type(), "ConvInteger");
  EXPECT_EQ(file.maker(conv.input(0))->op_type(), "QuantizeLinear");
  const auto& scaled = *file.maker("c");
  EXPECT_EQ(scaled.op_type(), "Mul");
  const auto& sum = *file.maker(file.maker(scaled.input(0))->input(0));
  EXPECT_EQ(sum.op_type(), "Add");
  EXPECT_EQ(sum.input(0), conv.output(0));
  const auto& bias = file.tensor(sum.input(1));
  EXPECT_EQ(bias.data_type(), onnx::TensorProto::INT32);
  EXPECT_EQ(std::vector<std::int64_t>(bias.dims().begin(), bias.dims().end()),
            (std::vector<std::int64_t>{2, 1, 1}));
  // Gemm with transB: [2, 8] becomes [8, 2].
  EXPECT_EQ(file.node("one").op_type(), "MatMulInteger");
  const auto& weight = file.tensor(file.node("one").input(1));
  EXPECT_EQ(std::vector<std::int64_t>(weight.dims().begin(), weight.dims().end()),
            (std::vector<std::int64_t>{8, 2}));
}

TEST(Export, BlocksOfActivationsAreRefused) {
  const Graph graph = two_branches();
  const std::vector<Layer> layers = find_layers(graph);
  std::vector<LayerExport> exports = at(graph, layers, "W8FA8F");
  exports[1].activation.format.granularity = Granularity::per_block;
  exports[1].activation.format.block_size = 32;
  try {
    (void)export_onnx(graph, layers, exports);
    ADD_FAILURE() << "written";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_EQ(e.where(), "one");
    EXPECT_EQ(e.message(),
              "activations of float8e4m3fn in blocks of 32 cannot be written in this version");
  }
}

TEST(Export, SaysWhereItCameFrom) {
  const File file =
      write(two_branches(), "W8A8",
            {.scheme = "*=W8A8", .scheme_id = "0123456789ab", .source_sha256 = "feed"});
  std::map<std::string, std::string> said;
  for (const auto& p : file.model.metadata_props()) said[p.key()] = p.value();
  EXPECT_EQ(said.at("qsweep.scheme"), "*=W8A8");
  EXPECT_EQ(said.at("qsweep.scheme_id"), "0123456789ab");
  EXPECT_EQ(said.at("qsweep.source_sha256"), "feed");
  EXPECT_EQ(file.model.producer_name(), "qsweep");
}

/// x -> Conv -> y, with everything that a file may say besides.
OnnxBuilder annotated(int type) {
  OnnxBuilder b(17);
  auto& x = b.input("x", {-1, 1, -1, 2}, type);
  x.set_doc_string("pixels");
  x.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("batch");
  x.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(2)->set_dim_param("rows");
  if (type == onnx::TensorProto::FLOAT16) {
    const std::uint16_t one = 0x3c00;
    b.tensor("w", type, {1, 1, 1, 1}).set_raw_data(&one, sizeof one);
  } else {
    b.floats("w", {1, 1, 1, 1}, {1.0f});
  }
  b.node("Conv", {"x", "w"}, {"y"}, "conv").set_doc_string("the only one");
  b.output("y", {-1, 1, -1, 2}, type);
  b.model.set_doc_string("a model");
  b.model.set_domain("org.example");
  b.model.set_model_version(3);
  b.graph().set_doc_string("a graph");
  for (const auto& [key, value] : {std::pair("stride", "32"), std::pair("qsweep.scheme", "old")}) {
    auto& property = *b.model.add_metadata_props();
    property.set_key(key);
    property.set_value(value);
  }
  return b;
}

TEST(Export, NotesOfTheModelStayInEveryFormat) {
  const std::string bytes = annotated(onnx::TensorProto::FLOAT).bytes();
  const ImportedModel source = import_onnx_bytes(as_bytes(bytes), {}, "m.onnx");
  for (const bool half : {false, true}) {
    const File file =
        write(source.graph, half ? "FP16" : "W8A8",
              {.half_graph = half, .scheme = "new", .source_sha256 = "1", .notes = source.notes});
    const onnx::ModelProto& m = file.model;
    EXPECT_EQ(m.doc_string(), "a model");
    EXPECT_EQ(m.domain(), "org.example");
    EXPECT_EQ(m.model_version(), 3);
    EXPECT_EQ(m.graph().doc_string(), "a graph");
    EXPECT_EQ(file.node("conv").doc_string(), half ? "" : "the only one");
    std::map<std::string, std::string> properties;
    for (const auto& p : m.metadata_props())
      EXPECT_TRUE(properties.emplace(p.key(), p.value()).second);
    EXPECT_EQ(properties.at("stride"), "32");
    EXPECT_EQ(properties.at("qsweep.scheme"), "new");
    const auto& x = m.graph().input(0);
    EXPECT_EQ(x.doc_string(), "pixels");
    EXPECT_EQ(x.type().tensor_type().shape().dim(0).dim_param(), "batch");
    EXPECT_EQ(x.type().tensor_type().shape().dim(2).dim_param(), "rows");
    EXPECT_EQ(m.graph().output(0).type().tensor_type().shape().dim(0).dim_param(), "n");
  }
}

TEST(Export, InputsAndOutputsKeepTheirHalfType) {
  const std::string bytes = annotated(onnx::TensorProto::FLOAT16).bytes();
  const ImportedModel source = import_onnx_bytes(as_bytes(bytes), {}, "m.onnx");
  Graph graph = source.graph;  // as Program makes it FP32
  for (Value& value : graph.values) value.dtype = DType::f32;
  const float one = 1.0f;
  graph.value(*graph.find_value("w")).constant =
      Tensor::of<float>(DType::f32, {1, 1, 1, 1}, std::span(&one, 1));
  for (const bool half : {false, true}) {
    const File file =
        write(graph, half ? "FP16" : "W8A8", {.half_graph = half, .notes = source.notes});
    const auto type = [](const onnx::ValueInfoProto& v) {
      return v.type().tensor_type().elem_type();
    };
    EXPECT_EQ(file.model.graph().input(0).name(), "x");
    EXPECT_EQ(type(file.model.graph().input(0)), onnx::TensorProto::FLOAT16);
    EXPECT_EQ(type(file.model.graph().output(0)), onnx::TensorProto::FLOAT16);
    EXPECT_EQ(file.exported.cast_nodes, half ? 0 : 2);
  }
}

TEST(Export, SizeIsThatOfTheFormats) {
  const Graph graph = two_branches();
  const std::vector<Layer> layers = find_layers(graph);
  std::int64_t weights = 4 * 2;  // the float bias
  for (const LayerExport& e : at(graph, layers, "W4A16")) weights += e.weight.stored_bytes();
  EXPECT_EQ(write(graph, "W4A16").exported.initializer_bytes, weights);
}

/// A constant of 400 floats, and the small one of two_branches().
Graph wide_layer() {
  OnnxBuilder b(17);
  b.input("x", {-1, 20});
  std::vector<float> w(400);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i) / 64.0f;
  b.floats("w", {20, 20}, w);
  b.floats("b", {20}, std::vector<float>(20, 0.5f));
  b.node("MatMul", {"x", "w"}, {"p"}, "product");
  b.node("Add", {"p", "b"}, {"y"}, "sum");
  b.output("y", {-1, 20});
  const std::string bytes = b.bytes();
  return import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
}

TEST(Export, LargerConstantsMoveBesideTheModelAndBack) {
  const Graph graph = wide_layer();
  const File inside = write(graph, "FP32", {.external_name = "m.onnx.data"});
  EXPECT_TRUE(inside.exported.external.empty());
  const File file = write(graph, "FP32", {.external_name = "m.onnx.data", .external_data = true});
  EXPECT_LT(file.exported.bytes.size() + 1000, inside.exported.bytes.size());
  ASSERT_EQ(file.exported.external.size(), 1600u);
  const auto& w = file.tensor("w");
  EXPECT_EQ(w.data_location(), onnx::TensorProto::EXTERNAL);
  EXPECT_FALSE(w.has_raw_data());
  EXPECT_EQ(file.tensor("b").raw_data().size(), 80u);
  // Counted alike, wherever they lie.
  EXPECT_EQ(file.exported.initializer_bytes, inside.exported.initializer_bytes);

  const auto folder = std::filesystem::temp_directory_path() /
                      ("qsweep_export_external_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto save = [&](const char* name, const Bytes& bytes) {
    std::ofstream(folder / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  };
  save("m.onnx", file.exported.bytes);
  save("m.onnx.data", file.exported.external);
  const Graph read = import_onnx(folder / "m.onnx").graph;
  std::filesystem::remove_all(folder);
  const auto elements = [](const Graph& g) {
    const auto data = g.value(g.find_value("w").value()).constant->data<float>();
    return std::vector<float>(data.begin(), data.end());
  };
  EXPECT_EQ(elements(read), elements(graph));
}

TEST(Export, HalfGraphHasHalfConstantsAndFloatEnds) {
  const Graph graph = two_branches();
  const File file = write(graph, "FP16", {.half_graph = true});
  const auto& ends = file.model.graph();
  EXPECT_EQ(ends.input(0).name(), "x");
  EXPECT_EQ(ends.input(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT);
  EXPECT_EQ(ends.output(0).name(), "y");
  EXPECT_EQ(ends.output(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT);
  EXPECT_EQ(file.exported.cast_nodes, 2);
  EXPECT_EQ(file.maker(file.node("conv").input(0))->op_type(), "Cast");
  EXPECT_EQ(file.maker("y")->op_type(), "Cast");
  for (const auto& tensor : ends.initializer())
    EXPECT_EQ(tensor.data_type(), onnx::TensorProto::FLOAT16) << tensor.name();
  // 0.3 is 1.2 * 2^-2: significand 0x0cd after rounding; 0.7 is 1.4 * 2^-1.
  EXPECT_EQ(file.elements<std::uint16_t>("wb"), (std::vector<std::uint16_t>{0x34cd, 0xb99a}));
  EXPECT_EQ(2 * file.exported.initializer_bytes, write(graph, "FP32").exported.initializer_bytes);
}

TEST(Export, HalfGraphRefusesOtherPrecisions) {
  const Error e = error_of(two_branches(), "W8A8", {.half_graph = true});
  EXPECT_EQ(e.code(), ErrorCode::config);
  EXPECT_EQ(e.where(), "conv");
}

TEST(Export, HalfGraphRefusesCorrectedBiases) {
  const Graph graph = two_branches();
  const std::vector<Layer> layers = find_layers(graph);
  std::vector<LayerExport> exports = at(graph, layers, "FP16");
  exports[1].bias = Tensor(DType::f32, {2});
  try {
    (void)export_onnx(graph, layers, exports, {.half_graph = true});
    FAIL() << "written without the correction";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_EQ(e.where(), layers[1].name);
  }
}

TEST(Export, HalfGraphKeepsResizeScalesInFloat) {
  OnnxBuilder b(17);
  b.input("x", {1, 2, 2, 2});
  b.floats("s", {4}, {1, 1, 2, 2});
  b.node("Resize", {"x", "", "s"}, {"r"}, "larger");
  b.node("Relu", {"r"}, {"y"}, "relu");
  b.output("y", {1, 2, 4, 4});
  const std::string bytes = b.bytes();
  const File file =
      write(import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph, "FP16", {.half_graph = true});
  EXPECT_EQ(file.tensor(file.node("larger").input(2)).data_type(), onnx::TensorProto::FLOAT);
}

TEST(Export, HalfGraphComputesInFloatWhatOnnxHasInFloatOnly) {
  OnnxBuilder b(17);
  b.input("x", {1, 2, 2, 2});
  b.node("Celu", {"x"}, {"c"}, "celu");
  b.node("Relu", {"c"}, {"y"}, "relu");
  b.output("y", {1, 2, 2, 2});
  const std::string bytes = b.bytes();
  const File file =
      write(import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph, "FP16", {.half_graph = true});
  EXPECT_EQ(file.maker(file.node("celu").input(0))->attribute(0).i(), onnx::TensorProto::FLOAT);
  const onnx::NodeProto& back = *file.maker(file.node("relu").input(0));
  EXPECT_EQ(back.op_type(), "Cast");
  EXPECT_EQ(back.attribute(0).i(), onnx::TensorProto::FLOAT16);
  EXPECT_EQ(back.input(0), file.node("celu").output(0));
}

TEST(Export, HalfGraphLeavesIntegersAlone) {
  OnnxBuilder b(17);
  b.input("x", {1, 2, 2, 2});
  b.node("Size", {"x"}, {"n"}, "size");
  const std::int64_t zero = 0, one = 1;
  b.tensor("zero", onnx::TensorProto::INT64, {}).set_raw_data(&zero, sizeof zero);
  b.tensor("one", onnx::TensorProto::INT64, {}).set_raw_data(&one, sizeof one);
  b.node("Range", {"zero", "n", "one"}, {"r"}, "range");
  add_attribute(b.node("Cast", {"r"}, {"f"}, "cast"), "to", onnx::AttributeProto::INT)
      .set_i(onnx::TensorProto::FLOAT);
  b.output("f", {8});
  const std::string bytes = b.bytes();
  const File file =
      write(import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph, "FP16", {.half_graph = true});
  EXPECT_EQ(file.node("range").input(1), "n");
  EXPECT_EQ(file.node("cast").input(0), "r");
  EXPECT_EQ(file.node("cast").attribute(0).i(), onnx::TensorProto::FLOAT16);
}

TEST(Export, GroupNormalizationIsWrittenInItsValidForm) {
  OnnxBuilder b(18);
  b.input("x", {1, 4, 2, 2});
  b.floats("s", {2}, {1, 2});
  b.floats("t", {2}, {3, 4});
  add_attribute(b.node("GroupNormalization", {"x", "s", "t"}, {"y"}, "groups"), "num_groups",
                onnx::AttributeProto::INT)
      .set_i(2);
  b.output("y", {1, 4, 2, 2});
  const std::string bytes = b.bytes();
  const Graph graph = import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
  const File file = write(graph, "FP32");
  EXPECT_EQ(file.exported.opset, 21);
  EXPECT_EQ(file.elements<float>(file.node("groups").input(1)), (std::vector<float>{1, 1, 2, 2}));
  const Error error = error_of(graph, "FP32", {.opset = 20});
  EXPECT_EQ(error.code(), ErrorCode::config);
  EXPECT_EQ(error.where(), "groups");
}

TEST(Export, OperatorsWithoutAnEquivalentAreRefusedTogether) {
  OnnxBuilder b(11);
  b.input("x", {1, 2, 2, 2});
  b.floats("s", {4}, {1, 1, 2, 2});
  b.floats("r", {0}, {});
  for (const auto& [from, to] : {std::pair("x", "m"), std::pair("m", "y")}) {
    auto& resize = b.node("Resize", {from, "r", "s"}, {to}, std::string("to_") + to);
    add_attribute(resize, "coordinate_transformation_mode", onnx::AttributeProto::STRING)
        .set_s("tf_half_pixel_for_nn");
    add_attribute(resize, "nearest_mode", onnx::AttributeProto::STRING).set_s("ceil");
  }
  b.output("y", {1, 2, 8, 8});
  const std::string bytes = b.bytes();
  const Graph graph = import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
  const Error error = error_of(graph, "FP32", {.opset = 13});
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  EXPECT_EQ(error.message(),
            "no form in opset 13: Resize (node 'to_m') with tf_half_pixel_for_nn, Resize (node "
            "'to_y') with tf_half_pixel_for_nn");
}

}  // namespace
}  // namespace qsweep
