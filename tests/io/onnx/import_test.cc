#include "io/onnx/import.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>
#include <unistd.h>

#include "src/base/hash.h"

#include "src/graph/layers.h"

#include "tests/support/onnx_builder.h"

namespace qsweep {
namespace {

using testing::add_attribute;
using testing::OnnxBuilder;
namespace fs = std::filesystem;

ImportedModel import(const OnnxBuilder& builder) {
  const std::string bytes = builder.bytes();
  return import_onnx_bytes(as_bytes(bytes), {}, "m.onnx");
}

/// The error of an import that has to fail.
Error error_of(const OnnxBuilder& builder) {
  try {
    import(builder);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "accepted";
  return Error(ErrorCode::internal, "accepted");
}

void expect_error(const OnnxBuilder& builder,
                  ErrorCode code,
                  const std::string& message,
                  const std::string& where) {
  const Error error = error_of(builder);
  EXPECT_EQ(error.code(), code);
  EXPECT_EQ(error.message(), message);
  EXPECT_EQ(error.where(), where);
}

/// x[n, 2] -> Gemm -> Relu -> y
OnnxBuilder small_model() {
  OnnxBuilder b;
  b.input("x", {-1, 2});
  b.floats("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  b.node("Gemm", {"x", "w"}, {"t"}, "fc");
  b.node("Relu", {"t"}, {"y"}, "act");
  b.output("y", {-1, 3});
  return b;
}

TEST(ImportTest, reads_the_graph_as_it_stands) {
  const OnnxBuilder b = small_model();
  const ImportedModel m = import(b);
  check(m.graph);
  EXPECT_EQ(m.graph.opset, 17);
  EXPECT_EQ(m.ir_version, 8);
  EXPECT_EQ(m.producer, "builder");
  EXPECT_EQ(m.file_bytes, std::ssize(b.bytes()));
  EXPECT_EQ(m.sha256, sha256_hex(as_bytes(b.bytes())));
  EXPECT_EQ(m.external_sha256, "");
  ASSERT_EQ(m.graph.nodes.size(), 2U);
  EXPECT_EQ(m.graph.nodes[0].name, "fc");
  ASSERT_EQ(m.graph.inputs.size(), 1U);
  EXPECT_EQ(m.graph.value(m.graph.inputs[0]).shape, (Shape{-1, 2}));
  EXPECT_EQ(m.graph.value(m.graph.outputs[0]).shape, (Shape{-1, 3}));
  EXPECT_EQ(find_layers(m.graph).size(), 1U);
}

TEST(ImportTest, initializers_listed_as_inputs_are_constants) {
  OnnxBuilder b = small_model();
  b.input("w", {2, 3});
  const ImportedModel m = import(b);
  EXPECT_EQ(m.graph.inputs.size(), 1U);
  EXPECT_TRUE(m.graph.is_constant(m.graph.find_value("w").value()));
}

TEST(ImportTest, every_kind_of_constant_node_becomes_a_constant) {
  OnnxBuilder b;
  b.input("x", {1});
  auto& value = add_attribute(b.node("Constant", {}, {"a"}), "value", onnx::AttributeProto::TENSOR);
  value.mutable_t()->set_data_type(6);
  value.mutable_t()->add_dims(2);
  value.mutable_t()->add_int32_data(7);
  value.mutable_t()->add_int32_data(-8);
  add_attribute(b.node("Constant", {}, {"b"}), "value_float", onnx::AttributeProto::FLOAT)
      .set_f(1.5F);
  add_attribute(b.node("Constant", {}, {"c"}), "value_int", onnx::AttributeProto::INT).set_i(-3);
  auto& floats =
      add_attribute(b.node("Constant", {}, {"d"}), "value_floats", onnx::AttributeProto::FLOATS);
  floats.add_floats(2.5F);
  auto& ints =
      add_attribute(b.node("Constant", {}, {"e"}), "value_ints", onnx::AttributeProto::INTS);
  ints.add_ints(4);
  ints.add_ints(5);
  b.node("Mystery", {"x", "a", "b", "c", "d", "e"}, {"y"});
  b.output("y");
  const Graph g = import(b).graph;
  ASSERT_EQ(g.nodes.size(), 1U);
  const auto constant = [&](const char* name) {
    return g.value(g.find_value(name).value()).constant.value();
  };
  EXPECT_EQ(constant("a").data<std::int32_t>()[1], -8);
  EXPECT_EQ(constant("b").shape(), Shape{});
  EXPECT_EQ(constant("b").data<float>()[0], 1.5F);
  EXPECT_EQ(constant("c").data<std::int64_t>()[0], -3);
  EXPECT_EQ(constant("d").shape(), Shape{1});
  EXPECT_EQ(constant("e").data<std::int64_t>()[1], 5);
}

TEST(ImportTest, names_are_unique_and_stable) {  // R011
  OnnxBuilder b;
  b.input("x", {1});
  b.node("Conv", {"x", "x"}, {"a"}, "Conv");
  b.node("Conv", {"a", "x"}, {"b"}, "Conv");
  b.node("Conv", {"b", "x"}, {"y"});
  b.output("y");
  for (int round = 0; round < 2; ++round) {
    const Graph g = import(b).graph;
    EXPECT_EQ(g.nodes[0].name, "Conv");
    EXPECT_EQ(g.nodes[1].name, "Conv#2");
    EXPECT_EQ(g.nodes[2].name, "Conv_2");
    EXPECT_EQ(g.nodes[1].source_name, "Conv");
    EXPECT_EQ(g.nodes[2].source_name, "");
  }
}

TEST(ImportTest, sorts_an_unsorted_graph) {
  OnnxBuilder b;
  b.input("x", {1});
  b.node("Add", {"a", "b"}, {"y"}, "last");
  b.node("Relu", {"x"}, {"b"}, "second");
  b.node("Neg", {"x"}, {"a"}, "third");
  b.output("y");
  const Graph g = import(b).graph;
  check(g);
  EXPECT_EQ(g.nodes[0].name, "second");
  EXPECT_EQ(g.nodes[1].name, "third");
  EXPECT_EQ(g.nodes[2].name, "last");
}

TEST(ImportTest, absent_operands_and_attributes) {
  OnnxBuilder b;
  b.input("x", {1});
  auto& clip = b.node("Clip", {"x", "", "x"}, {"y", ""});
  auto& strings = add_attribute(clip, "s", onnx::AttributeProto::STRINGS);
  strings.add_strings("p");
  strings.add_strings("q");
  add_attribute(clip, "t", onnx::AttributeProto::STRING).set_s("r");
  b.output("y");
  const Graph g = import(b).graph;
  EXPECT_EQ(g.nodes[0].inputs[1], kNoValue);
  EXPECT_EQ(g.nodes[0].outputs[1], kNoValue);
  EXPECT_EQ(g.nodes[0].attributes.strings("s"), (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(g.nodes[0].attributes.s("t", ""), "r");
}

TEST(ImportTest, subgraphs_and_other_domains_are_kept_for_the_report) {
  OnnxBuilder b;
  b.input("x", {1});
  auto& node = b.node("If", {"x"}, {"t"}, "branch");
  add_attribute(node, "then_branch", onnx::AttributeProto::GRAPH).mutable_g()->set_name("inner");
  b.node("Fancy", {"t"}, {"u"}).set_domain("com.example");
  b.node("Relu", {"u"}, {"y"}).set_domain("ai.onnx");
  b.output("y");
  const Graph g = import(b).graph;
  EXPECT_EQ(g.nodes[0].op, "If");
  EXPECT_EQ(g.nodes[0].attributes.s("then_branch", ""), "<GRAPH>");
  EXPECT_EQ(g.nodes[1].domain, "com.example");
  EXPECT_EQ(g.nodes[2].domain, "");
}

TEST(ImportTest, opsets) {
  for (const int opset : {9, 13, 17, 21}) {
    OnnxBuilder b = small_model();
    b.model.mutable_opset_import(0)->set_version(opset);
    b.model.mutable_opset_import(0)->set_domain(opset == 13 ? "ai.onnx" : "");
    auto* other = b.model.add_opset_import();
    other->set_domain("ai.onnx.ml");
    other->set_version(2);
    EXPECT_EQ(import(b).graph.opset, opset);
  }
  for (const int opset : {8, 22}) {
    OnnxBuilder b = small_model();
    b.model.mutable_opset_import(0)->set_version(opset);
    expect_error(b, ErrorCode::unsupported, "opset " + std::to_string(opset) + " is not supported",
                 "m.onnx");
  }
  OnnxBuilder b = small_model();
  b.model.clear_opset_import();
  expect_error(b, ErrorCode::corrupt_input, "the model does not say which opset it uses", "m.onnx");
}

TEST(ImportTest, broken_graphs_are_refused_by_name) {
  OnnxBuilder cyclic;
  cyclic.input("x", {1});
  cyclic.node("Relu", {"x"}, {"w"}, "before");
  cyclic.node("Add", {"w", "b"}, {"a"}, "one");
  cyclic.node("Neg", {"a"}, {"b"}, "two");
  cyclic.node("Neg", {"b"}, {"y"}, "behind");
  cyclic.output("y");
  const Error error = error_of(cyclic);
  EXPECT_EQ(error.message(), "the graph has a cycle");
  EXPECT_TRUE(error.where() == "m.onnx, node 'one'" || error.where() == "m.onnx, node 'two'")
      << error.where();

  OnnxBuilder self = small_model();
  self.node("Add", {"z", "x"}, {"z"}, "loop");
  expect_error(self, ErrorCode::corrupt_input, "the graph has a cycle", "m.onnx, node 'loop'");

  OnnxBuilder missing = small_model();
  missing.node("Neg", {"nowhere"}, {"z"}, "n");
  expect_error(missing, ErrorCode::corrupt_input, "nothing produces the operand 'nowhere'",
               "m.onnx, node 'n'");

  OnnxBuilder twice = small_model();
  twice.node("Neg", {"x"}, {"y"});
  expect_error(twice, ErrorCode::corrupt_input, "value 'y' is defined twice", "m.onnx, Neg node 2");

  OnnxBuilder no_output = small_model();
  no_output.output("nothing");
  expect_error(no_output, ErrorCode::corrupt_input, "nothing produces the output 'nothing'",
               "m.onnx");

  OnnxBuilder no_nodes = small_model();
  no_nodes.graph().clear_node();
  expect_error(no_nodes, ErrorCode::corrupt_input, "the graph has no nodes", "m.onnx");

  OnnxBuilder no_graph;
  no_graph.model.clear_graph();
  EXPECT_EQ(error_of(no_graph).code(), ErrorCode::corrupt_input);
}

TEST(ImportTest, nan_and_infinite_weights_are_refused_with_tensor_and_index) {
  OnnxBuilder b = small_model();
  b.floats("bias", {3}, {0, 0, std::nanf("")});
  expect_error(b, ErrorCode::numeric, "NaN weight at index 2", "m.onnx, tensor 'bias'");

  OnnxBuilder c = small_model();
  c.graph().mutable_initializer(0)->Clear();
  c.graph().mutable_initializer()->RemoveLast();
  c.floats("w", {2, 3}, {0, -std::numeric_limits<float>::infinity(), 0, 0, 0, 0});
  expect_error(c, ErrorCode::numeric, "infinite weight at index 1", "m.onnx, tensor 'w'");
}

TEST(ImportTest, an_infinite_mask_is_accepted) {
  OnnxBuilder b = small_model();
  b.floats("mask", {3}, {0, 0, -std::numeric_limits<float>::infinity()});
  b.node("Add", {"y", "mask"}, {"z"});
  EXPECT_EQ(import(b).graph.nodes.size(), 3U);
}

TEST(ImportTest, inputs_that_are_no_tensors_of_numbers_are_unsupported) {
  OnnxBuilder b = small_model();
  b.input("s", {1}, 8);
  expect_error(b, ErrorCode::unsupported, "element type string is not supported",
               "m.onnx, input 's'");
  OnnxBuilder c = small_model();
  c.graph().add_input()->set_name("q");
  c.graph().mutable_input(1)->mutable_type()->mutable_sequence_type();
  expect_error(c, ErrorCode::unsupported, "only tensors are supported as inputs",
               "m.onnx, input 'q'");
}

TEST(ImportTest, files_links_and_their_absence) {
  const fs::path folder =
      fs::temp_directory_path() / ("qsweep_import_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto message = [](const fs::path& path) -> std::string {
    try {
      static_cast<void>(import_onnx(path));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::not_found);
      EXPECT_EQ(error.where(), path.string());
      return error.message();
    }
    return "accepted";
  };
  std::ofstream(folder / "m.onnx") << small_model().bytes();
  fs::create_symlink(folder / "m.onnx", folder / "link.onnx");
  fs::create_symlink("gone.onnx", folder / "broken.onnx");
  fs::create_symlink("loop.onnx", folder / "loop.onnx");
  EXPECT_EQ(message(folder / "m.onnx"), "accepted");
  EXPECT_EQ(message(folder / "link.onnx"), "accepted");
  EXPECT_EQ(message(folder / "broken.onnx"), "broken symbolic link to 'gone.onnx'");
  EXPECT_EQ(message(folder / "loop.onnx"), "broken symbolic link to 'loop.onnx'");
  EXPECT_EQ(message(folder / "absent.onnx"), "no such model file");
  EXPECT_EQ(message(folder), "is a directory, not a model");
  EXPECT_EQ(message(folder / "m.onnx" / "x"), "no such model file");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace qsweep
