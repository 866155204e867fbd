#include "src/target/target.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

Arithmetic arithmetic(std::string_view target, const char* precision, std::string_view op) {
  return find_target(target).deployment(parse_precision(precision), op).arithmetic;
}

TEST(TargetTest, an_unknown_name_gets_the_nearest_one) {
  try {
    (void)find_target("onnxruntme");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_NE(e.hint().find("onnxruntime"), std::string::npos);
  }
}

TEST(TargetTest, every_target_says_what_becomes_of_every_precision) {
  for (const Target& target : targets()) {
    for (const std::string& name : known_precisions()) {
      for (const char* op : {"Conv", "ConvTranspose", "Gemm", "MatMul"}) {
        const Deployment d = target.deployment(parse_precision(name), op);
        EXPECT_FALSE(d.reason.empty()) << target.name << ' ' << name;
        EXPECT_FALSE(d.source.empty()) << target.name << ' ' << name;
      }
    }
  }
}

TEST(TargetTest, onnxruntime_has_integer_kernels_for_eight_bits_by_eight) {
  EXPECT_EQ(arithmetic("onnxruntime", "W8A8", "Conv"), Arithmetic::integer);
  EXPECT_EQ(arithmetic("onnxruntime", "W8A8S", "Gemm"), Arithmetic::integer);
  EXPECT_EQ(arithmetic("onnxruntime", "W8A8", "ConvTranspose"), Arithmetic::floating);
  EXPECT_EQ(arithmetic("onnxruntime", "W4A8", "Conv"), Arithmetic::floating);
  EXPECT_EQ(arithmetic("onnxruntime", "W8A16", "Conv"), Arithmetic::floating);
  EXPECT_EQ(arithmetic("onnxruntime", "W8A8:g32", "MatMul"), Arithmetic::floating);
  EXPECT_EQ(arithmetic("onnxruntime", "NVFP4", "MatMul"), Arithmetic::none);
}

TEST(TargetTest, roles_depend_on_attributes_and_constants) {
  const Target& target = find_target("onnxruntime");
  Graph graph;
  graph.values.resize(3);
  Node resize{"r", "r", "Resize", "", {}, {0}, {1}};
  resize.attributes.set("mode", std::string("nearest"));
  EXPECT_EQ(target.role_of(graph, resize), ChainRole::keeps);
  resize.attributes.set("mode", std::string("linear"));
  EXPECT_EQ(target.role_of(graph, resize), ChainRole::none);
  Node pad{"p", "p", "Pad", "", {}, {0, kNoValue, 2}, {1}};
  EXPECT_EQ(target.role_of(graph, pad), ChainRole::none) << "a value that is not known";
  const float one = 1.0f, zero = 0.0f;
  graph.values[2].constant = Tensor::of<float>(DType::f32, {}, std::span(&one, 1));
  EXPECT_EQ(target.role_of(graph, pad), ChainRole::none);
  graph.values[2].constant = Tensor::of<float>(DType::f32, {}, std::span(&zero, 1));
  EXPECT_EQ(target.role_of(graph, pad), ChainRole::keeps);
  const Node foreign{"f", "f", "Add", "com.example", {}, {0, 2}, {1}};
  EXPECT_EQ(target.role_of(graph, foreign), ChainRole::none);
}

}  // namespace
}  // namespace qsweep
