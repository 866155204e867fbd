#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "src/graph/layers.h"
#include "src/graph/passes.h"

#include "io/onnx/import.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;

/// Folder of the real models: under $QSWEEP_SHARED_DATA, else beside the source tree.
fs::path models() {
  if (const char* data = std::getenv("QSWEEP_SHARED_DATA")) return fs::path(data) / "models";
  const char* source = std::getenv("QSWEEP_SOURCE_DIR");
  return source ? fs::path(source).parent_path() / "shared" / "data" / "models" : fs::path();
}

std::vector<Tensor> knows_nothing(const Node&, int, std::span<const Tensor>) {
  return {};
}

struct Expected {
  const char* file;
  int nodes;   ///< of the file, Constant nodes not counted
  int layers;  ///< Conv, Gemm, MatMul with constant weight
  int batch_norms_folded;
};

class RealModelsTest : public ::testing::TestWithParam<Expected> {};

TEST_P(RealModelsTest, imports_and_folds) {
  const fs::path path = models() / GetParam().file;
  if (!fs::exists(path)) {
    GTEST_SKIP() << "no model " << path
                 << ": set QSWEEP_SHARED_DATA to the folder of the test data";
  }
  Graph graph = import_onnx(path).graph;
  check(graph);
  EXPECT_EQ(std::ssize(graph.nodes), GetParam().nodes);
  EXPECT_EQ(graph.inputs.size(), 1U);
  fold_constants(graph, knows_nothing);
  fuse_patterns(graph);
  EXPECT_EQ(fold_batch_norm(graph), GetParam().batch_norms_folded);
  remove_dead(graph);
  check(graph);
  EXPECT_EQ(std::ssize(find_layers(graph)), GetParam().layers);
}

// Counts taken with the Python package onnx. The segmentation model has 123 convolutions and 8
// products with constant interpolation matrices.
INSTANTIATE_TEST_SUITE_P(Files,
                         RealModelsTest,
                         ::testing::Values(Expected{"espnetv2_s2_voc_256.onnx", 420, 131, 0},
                                           Expected{"resnet20_cifar10.onnx", 73, 20, 19},
                                           Expected{"resnet56_cifar10.onnx", 199, 56, 55},
                                           Expected{"resnet8_cifar10.onnx", 30, 10, 7},
                                           Expected{"vit_cifar10.onnx", 186, 38, 0},
                                           Expected{"vww_mobilenetv1_96_nchw.onnx", 59, 28, 0},
                                           Expected{"yolov5n_coco_416.onnx", 230, 60, 0},
                                           Expected{"yolox_nano_coco.onnx", 369, 113, 0},
                                           Expected{"yolox_nano_coco_op13.onnx", 369, 113, 0}),
                         [](const auto& each) {
                           return fs::path(each.param.file).stem().string();
                         });

}  // namespace
}  // namespace qsweep
