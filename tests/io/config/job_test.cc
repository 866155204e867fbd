#include "io/config/job.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::TempDir;

constexpr const char* kMinimal = R"(model: net.onnx
data:
  calibration: {format: cifar10, path: train.bin}
  evaluation: {format: cifar10, path: test.bin}
)";

// The job file of the documentation, without what is not served.
constexpr const char* kFull = R"(model: models/resnet8.onnx
task: classification
classes: 10
input: {layout: NHWC, color: BGR, scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], resize: {mode: letterbox, size: [32, 48], interpolation: area, pad: 0, align: top_left}}
head: {kind: dfl, strides: [8, 16], scores: probabilities, confidence: 0.01, nms_iou: 0.5, max_detections: 100}
shapes: {input: [1, 3, 32, 32], other: [1, 7]}
data:
  calibration: {format: cifar10, path: [train1.bin, /abs/train2.bin], images: 100, sampling: random, cache: ranges.cache}
  evaluation:  {format: npy, path: "x.npy, y.npy", images: 1000, shard: 125}
quantization: {calibrator: percentile, percentile: 99.99, bins: 512, weights: {axis: tensor, symmetric: false, narrow_range: false, reduce_range: true}, activations: {symmetric: true, type: int8}, algorithm: mse}
sensitivity: {precisions: [W8A8, W4A16], modes: [only, all_but], base: W8A8S, images: 500, score: drop}
sweep:
  families:
    - {rest: W4A8F,  keep: FP16, k: [0, 1, 2, all]}
    - {rest: W4A16,  keep: W8A8, k: every}
  schemes: ["*=W4A8F; /conv1=FP16"]
  search: {method: exhaustive, precisions: [W8A8, W4A8], layers: ["/stage3*", "/head"], rest: FP16, budget: {schemes: 5000}}
  tie: auto
  untie: [/conv1, "re:head.*"]
  confidence: 0.9
latency: {source: measured, batch: 4, iterations: 7, warmup_ms: 12.5}
activations: {images: 2, layers: [conv1, conv2]}
objectives: [size, accuracy]
batch: 8
memory_budget_mb: 256
seed: 18446744073709551615
)";

TEST(JobTest, the_first_sweep_of_yolov10m_is_shipped) {
  const char* source = std::getenv("QSWEEP_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run through ctest, or set QSWEEP_SOURCE_DIR";
  const JobConfig job = load_job(std::filesystem::path(source) / "jobs" / "yolov10m_coco.yaml");
  EXPECT_EQ(job.model.filename(), "yolov10m.onnx");
  EXPECT_EQ(job.sensitivity.precisions,
            (std::vector<std::string>{"W4A8F:per_layer", "W4A16:per_layer", "W8A8F:per_layer",
                                      "W8A16:per_layer", "W4A8F:per_channel", "W4A16:per_channel",
                                      "W8A8F:per_channel", "W8A16:per_channel"}));
  EXPECT_EQ(job.input.resize.value().size, (std::vector<std::int64_t>{640, 640}));
  EXPECT_EQ(job.calibration.images, 100);
  EXPECT_EQ(job.batch, 1);
}

TEST(JobTest, missing_keys_get_their_defaults) {
  const JobConfig job = parse_job(kMinimal, "/jobs/job.yaml");
  JobConfig expected;
  expected.model = "/jobs/net.onnx";
  expected.calibration.format = expected.evaluation.format = "cifar10";
  expected.calibration.paths = {"/jobs/train.bin"};
  expected.evaluation.paths = {"/jobs/test.bin"};
  EXPECT_EQ(job, expected);
  EXPECT_EQ(calibration_images(job, 1000), 256);
  EXPECT_EQ(job.calibration.sampling, "stratified");
  EXPECT_EQ(job.seed, 42u);
}

TEST(JobTest, every_key_is_read) {
  const JobConfig job = parse_job(kFull, "/jobs/job.yaml");
  EXPECT_EQ(job.model, "/jobs/models/resnet8.onnx");
  EXPECT_EQ(job.classes, 10);
  EXPECT_TRUE(job.has_input);
  EXPECT_EQ(job.input.layout, "NHWC");
  EXPECT_EQ(job.input.color, "BGR");
  EXPECT_EQ(job.input.scale, 255.0);
  EXPECT_EQ(job.input.mean, (std::vector{0.485, 0.456, 0.406}));
  EXPECT_EQ(job.input.std, (std::vector{0.229, 0.224, 0.225}));
  ASSERT_TRUE(job.input.resize.has_value());
  EXPECT_EQ(job.input.resize->mode, "letterbox");
  EXPECT_EQ(job.input.resize->size, (std::vector<std::int64_t>{32, 48}));
  EXPECT_EQ(job.input.resize->interpolation, "area");
  EXPECT_EQ(job.input.resize->pad, 0);
  EXPECT_EQ(job.input.resize->align, "top_left");
  EXPECT_EQ(job.head, (HeadSpec{.kind = "dfl",
                                .strides = {8, 16},
                                .scores = "probabilities",
                                .confidence = 0.01,
                                .nms_iou = 0.5,
                                .max_detections = 100}));
  EXPECT_EQ(job.shapes.at("input"), (std::vector<std::int64_t>{1, 3, 32, 32}));
  EXPECT_EQ(job.shapes.at("other"), (std::vector<std::int64_t>{1, 7}));
  EXPECT_EQ(job.calibration.path_text(), "/jobs/train1.bin,/abs/train2.bin");
  EXPECT_EQ(job.calibration.images, 100);
  EXPECT_EQ(job.calibration.sampling, "random");
  EXPECT_EQ(job.calibration.cache, "/jobs/ranges.cache");
  EXPECT_EQ(job.evaluation.format, "npy");
  EXPECT_EQ(job.evaluation.images, 1000);
  EXPECT_EQ(job.evaluation.shard, 125);
  EXPECT_EQ(job.quantization.calibrator, "percentile");
  EXPECT_EQ(job.quantization.percentile, 99.99);
  EXPECT_EQ(job.quantization.bins, 512);
  EXPECT_EQ(job.quantization.weight_axis, "tensor");
  EXPECT_FALSE(job.quantization.weight_symmetric);
  EXPECT_FALSE(job.quantization.weight_narrow_range);
  EXPECT_TRUE(job.quantization.weight_reduce_range);
  EXPECT_TRUE(job.quantization.activation_symmetric);
  EXPECT_EQ(job.quantization.activation_type, "int8");
  EXPECT_EQ(job.quantization.algorithm, "mse");
  EXPECT_EQ(job.sensitivity.precisions, (std::vector<std::string>{"W8A8", "W4A16"}));
  EXPECT_EQ(job.sensitivity.modes, (std::vector<std::string>{"only", "all_but"}));
  EXPECT_EQ(job.sensitivity.base, "W8A8S");
  EXPECT_EQ(job.sensitivity.images, 500);
  EXPECT_EQ(job.sensitivity.score, "drop");
  EXPECT_EQ(job.search, (JobConfig::Search{.method = "exhaustive",
                                           .precisions = {"W8A8", "W4A8"},
                                           .layers = {"/stage3*", "/head"},
                                           .rest = "FP16",
                                           .schemes = 5000}));
  ASSERT_EQ(job.families.size(), 2u);
  EXPECT_EQ(job.families[0].rest, "W4A8F");
  EXPECT_EQ(job.families[0].keep, "FP16");
  EXPECT_EQ(job.families[0].k, (std::vector<std::int64_t>{0, 1, 2, -1}));
  EXPECT_FALSE(job.families[0].every);
  EXPECT_TRUE(job.families[1].every);
  EXPECT_EQ(job.schemes, (std::vector<std::string>{"*=W4A8F; /conv1=FP16"}));
  EXPECT_EQ(job.tie, "auto");
  EXPECT_EQ(job.untie, (std::vector<std::string>{"/conv1", "re:head.*"}));
  EXPECT_EQ(job.confidence, 0.9);
  EXPECT_EQ(job.latency.batch, 4);
  EXPECT_EQ(job.latency.iterations, 7);
  EXPECT_EQ(job.latency.warmup_ms, 12.5);
  EXPECT_EQ(job.activations.images, 2);
  EXPECT_EQ(job.activations.layers, (std::vector<std::string>{"conv1", "conv2"}));
  EXPECT_EQ(job.objectives, (std::vector<std::string>{"size", "accuracy"}));
  EXPECT_EQ(job.batch, 8);
  EXPECT_EQ(job.memory_budget_mb, 256);
  EXPECT_EQ(job.seed, 18446744073709551615u);
}

TEST(JobTest, a_crop_may_name_the_shorter_side) {
  const std::string yaml =
      "model: m.onnx\ninput: {resize: {mode: crop, size: [224, 224], shorter: 256}}\n"
      "data: {calibration: {format: folder, path: a}, evaluation: {format: folder, path: b}}\n";
  const JobConfig job = parse_job(yaml, "job.yaml");
  EXPECT_EQ(job.input.resize->shorter, 256);
  EXPECT_EQ(parse_job(to_yaml(job), "again.yaml").input, job.input);
}

TEST(JobTest, composed_configuration_reloads_to_an_equal_job_from_any_folder) {
  for (const char* text : {kMinimal, kFull}) {
    const JobConfig job = parse_job(text, "/jobs/job.yaml");
    const std::string composed = to_yaml(job);
    const JobConfig again = parse_job(composed, "/elsewhere/run_config.yaml");
    EXPECT_EQ(again, job) << composed;
    EXPECT_EQ(to_yaml(again), composed);
  }
}

TEST(JobTest, data_spec_lists_the_files) {
  const JobConfig job = parse_job(kFull, "/jobs/job.yaml");
  const DataSpec calibration = data_spec(job.calibration);
  EXPECT_EQ(calibration.format, "cifar10");
  EXPECT_EQ(calibration.paths,
            (std::vector<std::filesystem::path>{"/jobs/train1.bin", "/abs/train2.bin"}));
  EXPECT_EQ(data_spec(job.evaluation).paths,
            (std::vector<std::filesystem::path>{"/jobs/x.npy", "/jobs/y.npy"}));
}

TEST(JobTest, overrides_apply_in_order_and_reach_into_lists_and_missing_sections) {
  const JobConfig job = parse_job(
      kFull, "/jobs/job.yaml",
      {"seed=1", "seed=2", "sweep.families.0.k=every", "sweep.families.1.k=[3, all]",
       "objectives=[latency]", "latency={roofline: t4}", "data.evaluation.path=b.bin,c.bin"});
  EXPECT_EQ(job.seed, 2u);
  EXPECT_TRUE(job.families[0].every);
  EXPECT_EQ(job.families[1].k, (std::vector<std::int64_t>{3, -1}));
  EXPECT_EQ(job.objectives, std::vector<std::string>{"latency"});
  EXPECT_EQ(job.latency.source, "roofline");
  EXPECT_EQ(job.latency.device, "t4");
  EXPECT_EQ(job.evaluation.path_text(), "/jobs/b.bin,/jobs/c.bin");
  const JobConfig added =
      parse_job(kMinimal, "/jobs/job.yaml", {"quantization.weights.axis=tensor"});
  EXPECT_EQ(added.quantization.weight_axis, "tensor");
}

TEST(JobTest, both_forms_of_roofline_mean_the_same) {
  const std::string text = kMinimal;
  const JobConfig brief = parse_job(text + "latency: {roofline: t4}", "/j.yaml");
  const JobConfig full = parse_job(text + "latency: {source: roofline, device: t4}", "/j.yaml");
  EXPECT_EQ(brief, full);
}

TEST(JobTest, a_latency_table_is_a_source) {
  const JobConfig job =
      parse_job(std::string(kMinimal) + "latency: {table: other/latency.csv}", "/jobs/j.yaml");
  EXPECT_EQ(job.latency.source, "table");
  EXPECT_EQ(job.latency.table, "/jobs/other/latency.csv");
  EXPECT_EQ(parse_job(to_yaml(job), "/elsewhere/j.yaml"), job);
}

TEST(JobTest, a_single_value_stands_for_a_list_of_one) {
  const JobConfig job =
      parse_job(std::string(kMinimal) + "sensitivity: {precisions: W8A8}", "/j.yaml");
  EXPECT_EQ(job.sensitivity.precisions, std::vector<std::string>{"W8A8"});
}

TEST(JobTest, weight_only_jobs_need_no_calibration_data) {
  const JobConfig job = parse_job(
      "model: m.onnx\ndata: {evaluation: {format: cifar10, path: t.bin}}\n"
      "sensitivity: {precisions: [W4A16]}\n",
      "/j.yaml");
  EXPECT_TRUE(job.calibration.format.empty());
  EXPECT_EQ(parse_job(to_yaml(job), "/j.yaml"), job);
}

TEST(JobTest, paths_start_from_the_folder_of_the_file) {
  const TempDir folder;
  const auto file = folder.write("jobs/job.yaml", kMinimal);
  EXPECT_EQ(load_job(file).model, folder.path() / "jobs/net.onnx");
}

TEST(ModelCardTest, supplies_the_input_and_the_job_overrides_single_keys) {
  const TempDir folder;
  folder.write("net.yaml",
               "task: classification\nclasses: 7   # seven\n"
               "input: {layout: NCHW, color: RGB, scale: 255, mean: [1, 2, 3], std: [4, 5, 6]}\n"
               "head: {kind: yolox, strides: [8, 16, 32]}\n");
  const auto file = folder.write("job.yaml", kMinimal);
  const JobConfig job = load_job(file, {"input.scale=1"});
  EXPECT_TRUE(job.has_input);
  EXPECT_EQ(job.classes, 7);
  EXPECT_EQ(job.input.scale, 1.0);
  EXPECT_EQ(job.input.mean, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(job.input.std, (std::vector<double>{4, 5, 6}));
  EXPECT_NO_THROW(require_input(job));
  EXPECT_EQ(load_job(folder.write("run_config.yaml", to_yaml(job))), job);
}

TEST(ModelCardTest, a_resize_of_the_card_can_be_taken_back_for_good) {
  const TempDir folder;
  folder.write("net.yaml", "input: {scale: 1, resize: {mode: stretch, size: [96, 96]}}\n");
  const auto file = folder.write("job.yaml", kMinimal);
  EXPECT_TRUE(load_job(file).input.resize.has_value());
  const JobConfig job = load_job(file, {"input.resize=~"});
  EXPECT_FALSE(job.input.resize.has_value());
  EXPECT_EQ(load_job(folder.write("run_config.yaml", to_yaml(job))), job);
}

TEST(ModelCardTest, a_job_named_like_its_model_is_no_card) {
  const TempDir folder;
  const auto file = folder.write("net.yaml", kMinimal);
  EXPECT_FALSE(load_job(file).has_input);
}

TEST(ModelCardTest, tells_when_there_is_none) {
  const TempDir folder;
  JobConfig job;
  EXPECT_FALSE(load_model_card(folder.path() / "net.onnx", job));
  folder.write("net.yaml", "task: detection\n");
  EXPECT_TRUE(load_model_card(folder.path() / "net.onnx", job));
  EXPECT_EQ(job.task, "detection");
  EXPECT_FALSE(job.has_input);
}

TEST(JobReferenceTest, describes_every_key_with_default_meaning_and_type) {
  const std::string text = describe_job_keys();
  EXPECT_NE(text.find("model: (required)\n    the ONNX model (path)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("quantization.percentile: 99.999\n"), std::string::npos);
  EXPECT_NE(text.find("data.calibration.images: 0\n"), std::string::npos);
  EXPECT_NE(
      text.find(
          "data.evaluation.shard: 250\n    images per task (integer, from 1 to 1000000000)\n"),
      std::string::npos);
  EXPECT_NE(text.find("sweep.families[].k: (required)\n"), std::string::npos);
  EXPECT_NE(text.find("sensitivity.precisions: [W8A8, W4A16, W4A8]\n"), std::string::npos);
  EXPECT_NE(text.find("sensitivity.base: FP32\n"), std::string::npos);
  EXPECT_EQ(text.find("trtexec"), std::string::npos);
}

TEST(JobTest, a_composed_job_may_evaluate_nothing) {
  JobConfig job = parse_job(kMinimal, "/jobs/job.yaml");
  job.evaluation = {};
  const std::string yaml = to_yaml(job);
  EXPECT_EQ(parse_composed(yaml, "a message"), job);
  EXPECT_THROW((void)parse_job(yaml, "/jobs/job.yaml"), Error);
  job = parse_job(kMinimal, "/jobs/job.yaml");
  EXPECT_EQ(parse_composed(to_yaml(job), "a message"), job);
}

}  // namespace
}  // namespace qsweep
