#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "src/exec/walk.h"

#include "io/onnx/import.h"

namespace qsweep {
namespace {

constexpr std::int64_t kImageElements = 3 * 32 * 32;
constexpr std::int64_t kBatch = 16;

std::filesystem::path data_folder() {
  const char* source = std::getenv("QSWEEP_SOURCE_DIR");
  return source == nullptr ? std::filesystem::path()
                           : std::filesystem::path(source) / "../shared/data";
}

struct Cifar {
  std::vector<int> labels;
  std::vector<std::uint8_t> pixels;
};

/// Records of one label byte and 3,072 bytes of R, G, B planes.
Cifar read_cifar(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Cifar set;
  std::array<char, 1 + kImageElements> record{};
  while (file.read(record.data(), record.size())) {
    set.labels.push_back(static_cast<unsigned char>(record[0]));
    set.pixels.insert(set.pixels.end(), record.begin() + 1, record.end());
  }
  return set;
}

struct ModelCase {
  const char* name;
  float scale;
  std::array<float, 3> mean{}, deviation{};
  int correct;  ///< of 1,017, as ONNX Runtime has it
  int int8_correct;
};

Tensor images(const Cifar& set, const ModelCase& model, std::int64_t begin, std::int64_t end) {
  Tensor batch(DType::f32, {end - begin, 3, 32, 32});
  const auto out = batch.mutable_data<float>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t channel = i / 1024 % 3;
    const float pixel = set.pixels[static_cast<std::size_t>(begin * kImageElements) + i];
    out[i] = (pixel / model.scale - model.mean[channel]) / model.deviation[channel];
  }
  return batch;
}

class CountCorrect : public WalkSink {
 public:
  CountCorrect(const Cifar& set, std::size_t schemes) : correct(schemes, 0), set_(set) {}
  void output(int scheme, std::span<const Tensor> outputs) override {
    const auto scores = outputs[0].data<float>();
    for (std::size_t row = 0; row * 10 < scores.size(); ++row) {
      const auto best = std::ranges::max_element(scores.subspan(row * 10, 10)) - scores.begin();
      const int label = set_.labels[static_cast<std::size_t>(begin) + row];
      correct[static_cast<std::size_t>(scheme)] +=
          best - static_cast<std::ptrdiff_t>(row * 10) == label;
    }
  }
  std::int64_t begin = 0;
  std::vector<int> correct;

 private:
  const Cifar& set_;
};

class ModelsTest : public testing::TestWithParam<ModelCase> {};

TEST_P(ModelsTest, top1_is_that_of_onnxruntime) {
  const ModelCase& model = GetParam();
  const std::filesystem::path file = data_folder() / "models" / (std::string(model.name) + ".onnx");
  const std::filesystem::path test_set = data_folder() / "cifar10/test_1017.bin";
  if (!std::filesystem::exists(file) || !std::filesystem::exists(test_set)) {
    GTEST_SKIP() << "NOT CHECKED: the real models and images are not at " << data_folder();
  }
  const Cifar set = read_cifar(test_set);
  ASSERT_EQ(set.labels.size(), 1017u);
  const Program program(import_onnx(file).graph);
  EXPECT_TRUE(program.batchable());

  QuantSetup setup;
  setup.precisions = {parse_precision("FP32"), parse_precision("W8A8")};
  setup.input_stats.resize(program.layers().size());
  const Cifar training = read_cifar(data_folder() / "cifar10/train_4000.bin");
  FloatRunner runner(program);
  for (std::int64_t begin = 0; begin < 64; begin += kBatch) {
    const Tensor batch = images(training, model, begin, begin + kBatch);
    (void)runner.run({&batch, 1}, [&](ValueId value, const Tensor& tensor) {
      for (std::size_t i = 0; i < program.layers().size(); ++i) {
        if (program.layers()[i].input == value)
          setup.input_stats[i].add_range(tensor.data<float>());
      }
    });
  }

  const Assignment floats(program.layers().size(), 0);
  const std::vector<Assignment> schemes = {floats, Assignment(program.layers().size(), 1)};
  const Trace trace = program.trace({kBatch, 3, 32, 32});
  const Walk walk = plan_walk(program, trace, setup.precisions, schemes);
  LayerBank bank(program, setup);
  CountCorrect sink(set, schemes.size());
  for (std::int64_t begin = 0; begin < 1017; begin += kBatch) {
    sink.begin = begin;
    run_walk(walk, bank, images(set, model, begin, std::min<std::int64_t>(begin + kBatch, 1017)),
             sink);
  }
  EXPECT_EQ(sink.correct[0], model.correct);
  EXPECT_NEAR(sink.correct[1], model.int8_correct, 8);
}

constexpr std::array<float, 3> kMean = {0.485f, 0.456f, 0.406f};
constexpr std::array<float, 3> kDeviation = {0.229f, 0.224f, 0.225f};
INSTANTIATE_TEST_SUITE_P(
    Cifar10,
    ModelsTest,
    testing::Values(ModelCase{"resnet8_cifar10", 1.0f, {0, 0, 0}, {1, 1, 1}, 895, 892},
                    ModelCase{"resnet20_cifar10", 255.0f, kMean, kDeviation, 932, 932},
                    ModelCase{"resnet56_cifar10", 255.0f, kMean, kDeviation, 943, 945}),
    [](const auto& model) { return std::string(model.param.name); });

}  // namespace
}  // namespace qsweep
