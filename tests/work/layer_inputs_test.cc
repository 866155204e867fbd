#include "sweep/work/layer_inputs.h"

#include <cmath>

#include <gtest/gtest.h>

#include "sweep/work/tasks.h"

namespace qsweep {
namespace {

std::shared_ptr<const Workload> demo(const std::vector<std::string>& overrides) {
  JobConfig job = load_job(QSWEEP_DEMO_JOB, overrides);
  return open_workload(job);
}

TEST(LayerInputsTest, parts_in_order_are_the_whole_and_batches_do_not_matter) {
  const auto w = demo({"quantization.algorithm=awq_lite"});
  const std::vector<LayerInputs> whole = gather_inputs(*w, {0, 320});
  std::vector<LayerInputs> parts = gather_inputs(*w, {0, 64});
  for (const Range r : {Range{64, 192}, Range{192, 193}, Range{193, 320}}) {
    const std::vector<LayerInputs> next = gather_inputs(*w, r);
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i].append(next[i]);
  }
  EXPECT_EQ(whole, parts);
  EXPECT_EQ(gather_inputs(*demo({"quantization.algorithm=awq_lite", "batch=7"}), {0, 320}), whole);
  for (const LayerInputs& inputs : whole) {
    EXPECT_EQ(inputs.images, 320);
    EXPECT_EQ(inputs.sample.rows(), 512);
  }
}

TEST(LayerInputsTest, statistics_are_those_of_the_values) {
  const auto w = demo({"quantization.algorithm=awq_lite"});
  const std::vector<LayerInputs> inputs = gather_inputs(*w, {0, 20});
  const Tensor images = w->calibration.images({0, 20});
  const std::size_t plane = static_cast<std::size_t>(images.dim(2) * images.dim(3));
  const std::size_t channels = static_cast<std::size_t>(images.dim(1));
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0.0;
    float low = 0.0f, high = 0.0f;
    for (std::size_t n = 0; n < 20; ++n) {
      for (std::size_t i = 0; i < plane; ++i) {
        const float x = images.data<float>()[(n * channels + c) * plane + i];
        sum += std::fabs(double{x});
        low = std::min(low, x);
        high = std::max(high, x);
      }
    }
    EXPECT_EQ(inputs[0].low[c], low);
    EXPECT_EQ(inputs[0].high[c], high);
    EXPECT_NEAR(inputs[0].mean_magnitude()[c], sum / static_cast<double>(20 * plane), 1e-6);
  }
}

TEST(LayerInputsTest, messages_and_records_read_back) {
  const auto w = demo({"quantization.algorithm=awq_lite", "quantization.bias_correction=true"});
  const LayerInputs inputs = gather_inputs(*w, {0, 16}).at(1);
  const Bytes task = AdaptTask{.layer = LayerId(3), .precision = 2, .inputs = inputs}.encode();
  ByteReader in(task, "task");
  EXPECT_EQ(in.u8(), static_cast<std::uint8_t>(MessageKind::adapt));
  const AdaptTask read = AdaptTask::decode(in);
  EXPECT_EQ(read.layer, LayerId(3));
  EXPECT_EQ(read.inputs, inputs);
  Adaptations all(2, std::vector<Adaptation>(2));
  all[0][1].scale = {1, 2};
  all[0][1].clip = {0.5f};
  all[0][1].high = 3.0f;
  all[1][1].bias = {4, 5};
  all[1][1].error = 0.25;
  const Bytes bytes = encode_adaptations(all);
  ByteReader again(bytes, "adaptations");
  EXPECT_EQ(decode_adaptations(again), all);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader cut(ByteView(bytes).first(size), "cut");
    EXPECT_THROW((void)decode_adaptations(cut), Error) << size;
  }
}

void expect_refused(const std::vector<std::string>& overrides, const std::string& want) {
  try {
    (void)demo(overrides);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_NE(e.message().find(want), std::string::npos) << e.what();
  }
}

TEST(WeightSettingsTest, combinations_without_sense_are_refused) {
  const std::string only = "sensitivity.precisions=[W4A16]", none = "sweep.families=[]";
  expect_refused({only, none, "quantization.algorithm=smoothquant"},
                 "smoothquant has nothing to do: no precision of the job has scaled weights and "
                 "integer activations");
  expect_refused({"sensitivity.precisions=[FP16]", none, "quantization.algorithm=awq_full"},
                 "awq_full has nothing to do");
  expect_refused({"quantization.algorithm=awq_lite", "quantization.calibrator=entropy"},
                 "calibrator entropy does not fit awq_lite");
  EXPECT_NO_THROW((void)demo(
      {only, none, "quantization.algorithm=awq_lite", "quantization.calibrator=entropy"}))
      << "nothing is calibrated";
  EXPECT_NO_THROW(
      (void)demo({"quantization.algorithm=awq_clip", "quantization.calibrator=entropy"}));
}

TEST(WeightSettingsTest, schemes_of_other_weights_have_other_ids) {
  const std::string rtn = demo({})->scheme_settings;
  std::vector<std::string> seen = {rtn};
  for (const std::string text :
       {"algorithm=awq_lite", "algorithm=smoothquant", "bias_correction=true",
        "{algorithm: smoothquant, smoothquant_alpha: auto}",
        "{algorithm: smoothquant, smoothquant_alpha: 0.8}"}) {
    const std::string prefix = text.front() == '{' ? "quantization=" : "quantization.";
    const std::string settings = demo({prefix + text})->scheme_settings;
    EXPECT_EQ(std::count(seen.begin(), seen.end(), settings), 0) << text;
    seen.push_back(settings);
  }
}

}  // namespace
}  // namespace qsweep
