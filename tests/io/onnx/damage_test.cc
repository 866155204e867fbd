#include <random>

#include <gtest/gtest.h>

#include "src/graph/layers.h"
#include "src/graph/passes.h"

#include "io/onnx/import.h"

#include "tests/support/onnx_builder.h"

namespace qsweep {
namespace {

using testing::add_attribute;
using testing::OnnxBuilder;

/// A model with one of everything the reader knows.
std::string sample() {
  OnnxBuilder b;
  b.input("x", {-1, 2, 4, 4});
  b.floats("w", {2, 2, 1, 1}, {1, 2, 3, 4});
  for (const char* name : {"scale", "shift", "mean", "var"}) b.floats(name, {2}, {1, 2});
  b.tensor("q", 22, {3}).set_raw_data("\x21\x03");
  auto& typed = b.tensor("i", 7, {2});
  typed.add_int64_data(-1);
  typed.add_int64_data(32);
  b.node("Identity", {"x"}, {"x1"});
  auto& conv = b.node("Conv", {"x1", "w"}, {"c"}, "stem.conv");
  add_attribute(conv, "group", onnx::AttributeProto::INT).set_i(1);
  auto& pads = add_attribute(conv, "pads", onnx::AttributeProto::INTS);
  for (int i = 0; i < 4; ++i) pads.add_ints(0);
  b.node("BatchNormalization", {"c", "scale", "shift", "mean", "var"}, {"n"});
  b.node("Reshape", {"n", "i"}, {"r"});
  auto& constant =
      add_attribute(b.node("Constant", {}, {"k"}), "value", onnx::AttributeProto::TENSOR);
  constant.mutable_t()->set_data_type(1);
  constant.mutable_t()->add_dims(1);
  constant.mutable_t()->add_float_data(0.5F);
  b.floats("m", {32, 3}, std::vector<float>(96, 0.25F));
  b.floats("bias", {3}, {1, 2, 3});
  b.node("MatMul", {"r", "m"}, {"p"});
  b.node("Add", {"p", "bias"}, {"s"});
  b.node("Mul", {"s", "k"}, {"y"});
  b.output("y", {-1, 3});
  return b.bytes();
}

std::vector<Tensor> knows_nothing(const Node&, int, std::span<const Tensor>) {
  return {};
}

/// Imports and runs all passes; true when nothing complained. Only Error may come out.
bool survives(const std::string& bytes) {
  try {
    Graph graph = import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
    check(graph);
    fold_constants(graph, knows_nothing);
    fuse_patterns(graph);
    fold_batch_norm(graph);
    remove_dead(graph);
    check(graph);
    static_cast<void>(find_layers(graph));
    return true;
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    return false;
  }
}

TEST(DamageTest, the_sample_is_sound) {
  EXPECT_TRUE(survives(sample()));
}

TEST(DamageTest, a_model_cut_anywhere_is_refused_or_complete) {
  const std::string whole = sample();
  int accepted = 0;
  for (std::size_t size = 0; size < whole.size(); ++size)
    accepted += survives(whole.substr(0, size)) ? 1 : 0;
  EXPECT_EQ(accepted, 0);  // the opset comes last in the file
}

TEST(DamageTest, every_flipped_bit_is_survived) {
  std::string bytes = sample();
  int refused = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      refused += survives(bytes) ? 0 : 1;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(DamageTest, random_edits_are_survived) {
  const std::string whole = sample();
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 engine(seed);
    std::string bytes = whole;
    for (int edit = 0; edit < 4; ++edit) {
      const std::size_t at = engine() % bytes.size();
      switch (engine() % 3) {
        case 0:
          bytes[at] = static_cast<char>(engine());
          break;
        case 1:
          bytes.erase(at, 1 + engine() % 8);
          break;
        default:
          bytes.insert(at, whole, engine() % whole.size(), 1 + engine() % 32);
      }
    }
    survives(bytes);
  }
}

TEST(DamageTest, other_files_are_refused) {
  EXPECT_FALSE(survives(""));
  EXPECT_FALSE(survives("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"));
  EXPECT_FALSE(survives(std::string(4096, '\0')));
  EXPECT_FALSE(survives(std::string(1, '\x7F') + "ELF"));
  std::mt19937 engine(1);
  std::string noise(4096, '\0');
  for (char& c : noise) c = static_cast<char>(engine());
  EXPECT_FALSE(survives(noise));
}

}  // namespace
}  // namespace qsweep
