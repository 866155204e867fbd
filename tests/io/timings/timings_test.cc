#include "io/timings/timings.h"

#include <cmath>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using Names = std::vector<std::string>;

std::string problem(const std::string& text) {
  return testing::error_text<Error>([&] { (void)read_timings(text, "", "f"); });
}

TEST(KernelNameTest, fused_names_come_apart) {
  EXPECT_EQ(split_kernel_name("/conv1/Conv + /relu1/Relu"),
            (Names{"/conv1/Conv + /relu1/Relu", "/conv1/Conv", "/relu1/Relu"}));
  EXPECT_EQ(split_kernel_name("PWN(PWN(/sig/Sigmoid), /mul/Mul)"),
            (Names{"PWN(PWN(/sig/Sigmoid), /mul/Mul)", "/sig/Sigmoid", "/mul/Mul"}));
  EXPECT_EQ(split_kernel_name("a/Conv || b/Conv"), (Names{"a/Conv || b/Conv", "a/Conv", "b/Conv"}));
  EXPECT_EQ(split_kernel_name("[ONNX Layer: a]\x1e[ONNX Layer: b]").back(), "b");
  EXPECT_EQ(split_kernel_name("conv_token_12_quant"), (Names{"conv_token_12_quant", "conv"}));
  EXPECT_EQ(split_kernel_name("x.out_nchwc"), (Names{"x.out_nchwc", "x.out"}));
  EXPECT_EQ(split_kernel_name("x_Cast#2").back(), "x");
  EXPECT_EQ(split_kernel_name("c_bias_DequantizeLinear/duplicated").back(), "c");
}

TEST(KernelNameTest, a_copy_between_formats_is_made_of_nothing) {
  EXPECT_TRUE(split_kernel_name("Reformatting CopyNode for Input Tensor 0 to /conv1/Conv").empty());
  EXPECT_TRUE(split_kernel_name("ReorderOutput_token_22").empty());
}

TEST(TimingsTest, tables_of_layers_and_of_schemes) {
  const Timings layers = read_timings("layer,format,ms\nconv1,INT8,0.5\n\nfc,FP32,1\n", "", "f");
  ASSERT_EQ(layers.layers.size(), 2u);
  EXPECT_EQ(layers.layers[0].layer, "conv1");
  EXPECT_EQ(layers.layers[0].precision, "INT8");
  EXPECT_EQ(layers.layers[1].time.ms, 1.0);
  const Timings schemes =
      read_timings("batch,scheme,p95_ms,ms,threads\n4,\"*=W8A8; a=FP32\",3,2,1\n", "", "f");
  ASSERT_EQ(schemes.models.size(), 1u);
  EXPECT_EQ(schemes.models[0].model, "*=W8A8; a=FP32");
  EXPECT_EQ(schemes.models[0].whole->ms, 2.0);
  EXPECT_EQ(schemes.models[0].whole->p95_ms, 3.0);
  EXPECT_TRUE(std::isnan(schemes.models[0].whole->mean_ms));
  EXPECT_EQ(schemes.batch, 4);
  EXPECT_EQ(schemes.threads, 1);
  EXPECT_EQ(read_timings("model,latency_ms\nfp32,5\n", "", "f").models[0].whole->ms, 5.0);
  // latency.csv of a run
  const Timings own = read_timings(
      "device,layer,precision,ms,source,kernel\nd,*,*,0.25,x,y\nd,a,FP32,1,x,y\n", "", "f");
  EXPECT_EQ(own.other_ms, 0.25);
  EXPECT_EQ(own.layers.size(), 1u);
  EXPECT_EQ(own.conditions, "d");
}

TEST(TimingsTest, malformed_tables_are_refused_by_line) {
  for (const char* time : {"inf", "nan", "-1", "fast", ""}) {
    EXPECT_NE(problem("layer,format,ms\na,FP32,1\nb,FP32," + std::string(time) + "\n")
                  .find("is no time: it takes a finite number of ms, not negative [f:3]"),
              std::string::npos)
        << time;
  }
  EXPECT_EQ(problem("scheme,ms\na,1\na,2\n"),
            "2 ms here and 1 ms in line 2: a duplicate with another value [f:3]");
  EXPECT_EQ(problem("scheme,ms\na,1\na,1\n"), "");
  EXPECT_EQ(problem("scheme,ms\na\n"), "it has 1 cells and the header has 2 [f:2]");
  EXPECT_EQ(problem("scheme,ms\n"), "the table has no rows [f]");
  EXPECT_NE(problem("one,two\n1,2\n").find("this is no file of times that qsweep knows [f]"),
            std::string::npos);
  EXPECT_EQ(problem(" \n"), "the file is empty [f]");
  EXPECT_EQ(problem("scheme,ms,threads\na,1,one\n"), "'one' is no whole number [f:2]");
}

const char* const kTensorRt10 =
    "&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --onnx=models/abc.onnx --int8\n"
    "[11/28/2026-10:00:00] [I] Selected Device: NVIDIA L4\n"
    "[11/28/2026-10:00:00] [I] TensorRT version: 10.3.0\n"
    "[11/28/2026-10:00:03] [I] === Performance summary ===\n"
    "[11/28/2026-10:00:03] [I] Throughput: 900 qps\n"
    "[11/28/2026-10:00:03] [I] Latency: min = 1 ms, max = 3 ms, mean = 2 ms, median = 1.9 ms, "
    "percentile(90%) = 2.1 ms, percentile(95%) = 2.2 ms, percentile(99%) = 2.5 ms\n"
    "[11/28/2026-10:00:03] [I] H2D Latency: min = 0.1 ms, max = 0.2 ms, mean = 0.1 ms, median = "
    "0.1 "
    "ms\n"
    "[11/28/2026-10:00:03] [I] GPU Compute Time: min = 0.8 ms, max = 1.5 ms, mean = 1.1 ms, median "
    "= 1.05 ms, percentile(90%) = 1.2 ms, percentile(95%) = 1.25 ms, percentile(99%) = 1.4 ms\n";

TEST(TimingsTest, what_trtexec_prints_is_gpu_time_with_the_end_to_end_time_beside_it) {
  const Timings t = read_timings(kTensorRt10, "", "f");
  ASSERT_EQ(t.models.size(), 1u);
  EXPECT_EQ(t.source, "TensorRT 10.3.0");
  EXPECT_EQ(t.conditions, "NVIDIA L4");
  EXPECT_EQ(t.models[0].model, "abc");
  EXPECT_EQ(t.models[0].whole->ms, 1.05);
  EXPECT_EQ(t.models[0].whole->mean_ms, 1.1);
  EXPECT_EQ(t.models[0].whole->p95_ms, 1.25);
  EXPECT_EQ(t.models[0].whole->p99_ms, 1.4);
  EXPECT_EQ(t.models[0].remark, "GPU compute time; 1.9 ms from end to end");
  EXPECT_EQ(read_timings(kTensorRt10, "W8A8", "f").models[0].model, "W8A8") << "as it was told";
}

TEST(TimingsTest, an_older_trtexec_states_fewer_percentiles) {
  const Timings t = read_timings(
      "[I] Latency: min = 2 ms, max = 3 ms, mean = 2.5 ms, median = 2.4 ms, percentile(99%) = 3 "
      "ms\n[I] GPU Compute Time: min = 1 ms, max = 2 ms, mean = 1.5 ms, median = 1.4 ms, "
      "percentile(99%) = 2 ms\n",
      "x", "f");
  EXPECT_EQ(t.models[0].whole->ms, 1.4);
  EXPECT_TRUE(std::isnan(t.models[0].whole->p95_ms));
}

TEST(TimingsTest, a_log_without_a_summary_is_refused) {
  EXPECT_NE(problem("&&&& FAILED TensorRT.trtexec [TensorRT v100300]\n")
                .find("trtexec's summary is not in the log"),
            std::string::npos);
  EXPECT_NE(problem("[I] GPU Compute Time: min = 1 ms, median = inf ms\n").find("[f:1]"),
            std::string::npos);
}

TEST(TimingsTest, trtexec_profiles_of_both_kinds) {
  const Timings newer = read_timings(
      R"([{"count": 50}, {"name": "a + b", "timeMs": 5, "averageMs": 0.1, "medianMs": 0.09,
          "percentage": 60}, {"name": "Reformatting CopyNode for Input Tensor 0 to a",
          "timeMs": 1, "averageMs": 0.02, "medianMs": 0.02, "percentage": 40}])",
      "W8A8", "f");
  ASSERT_EQ(newer.models.at(0).kernels.size(), 2u);
  EXPECT_EQ(newer.models[0].kernels[0].ms, 0.09);
  EXPECT_EQ(newer.models[0].kernels[0].made_from.back(), "b");
  EXPECT_TRUE(newer.models[0].kernels[1].made_from.empty());
  const Timings older =
      read_timings(R"([{"count": 50}, {"name": "a", "timeMs": 5, "percentage": 60}])", "x", "f");
  EXPECT_EQ(older.models[0].kernels[0].ms, 0.1) << "the total over the runs";
  EXPECT_NE(problem(R"([{"count": 1}, {"name": "a", "averageMs": -1}])").find("not negative"),
            std::string::npos);
  EXPECT_EQ(problem(R"([{"count": 1}, {"averageMs": 1}])"), "an entry has no name [f]");
}

TEST(TimingsTest, trtexec_layer_information_says_what_ran_at_what) {
  const Timings t = read_timings(
      R"({"Layers": [{"Name": "fused_1", "Precision": "INT8",
          "Metadata": "[ONNX Layer: a]\u001e[ONNX Layer: relu]"},
          {"Name": "b", "Inputs": [{"Name": "x", "Format/Datatype": "Half"}]}], "Bindings": []})",
      "W8A8", "f");
  ASSERT_EQ(t.models.at(0).kernels.size(), 2u);
  EXPECT_EQ(t.models[0].kernels[0].ran_at, "INT8");
  EXPECT_EQ(t.models[0].kernels[0].made_from.back(), "relu");
  EXPECT_EQ(t.models[0].kernels[1].ran_at, "Half");
  const Timings plain = read_timings(R"({"Layers": ["a + b"], "Bindings": []})", "x", "f");
  EXPECT_EQ(plain.models[0].kernels[0].made_from.back(), "b");
  EXPECT_EQ(problem(R"({"Layers": []})"), "the file has no layers [f]");
}

TEST(TimingsTest, an_onnx_runtime_profile_gives_the_median_of_each_kernel) {
  const Timings t = read_timings(
      R"([{"cat": "Session", "name": "model_run", "dur": 900, "ph": "X"},
          {"cat": "Node", "name": "a_nchwc_kernel_time", "dur": 500, "ph": "X",
           "args": {"op_name": "Conv"}},
          {"cat": "Node", "name": "a_nchwc_kernel_time", "dur": 100, "ph": "X",
           "args": {"op_name": "Conv"}},
          {"cat": "Node", "name": "a_nchwc_kernel_time", "dur": 200, "ph": "X",
           "args": {"op_name": "Conv"}},
          {"cat": "Session", "name": "model_run", "dur": 300, "ph": "X"},
          {"cat": "Session", "name": "model_run", "dur": 300, "ph": "X"}])",
      "x", "f");
  ASSERT_EQ(t.models.at(0).kernels.size(), 1u);
  EXPECT_EQ(t.models[0].kernels[0].ms, 0.2);
  EXPECT_EQ(t.models[0].kernels[0].op, "Conv");
  EXPECT_EQ(t.models[0].kernels[0].made_from, (Names{"a_nchwc", "a"}));
  EXPECT_FALSE(t.models[0].whole) << "a profiled run is slower";
  EXPECT_EQ(problem(R"([{"cat": "Node", "name": "a_kernel_time", "dur": 1, "ph": "X"}])"),
            "the profile has no run of a model [f]");
}

TEST(TimingsTest, a_kits_measurements) {
  const Timings t = read_timings(
      R"({"qsweep_kit": 1, "runtime": "ONNX Runtime 1.32.0 CPU", "conditions": "EPYC, 1 thread",
          "batch": 2, "threads": 1, "models": [
          {"scheme_id": "abc", "times": {"median_ms": 1.5, "p95_ms": 2},
           "kernels": [{"name": "a", "op": "Conv", "ms": 0.5}],
           "check": {"images": 10, "agreement": 0.9, "largest_difference": 0.25}},
          {"scheme_id": "def", "error": "no such operator"}]})",
      "", "f");
  EXPECT_EQ(t.source, "ONNX Runtime 1.32.0 CPU");
  EXPECT_EQ(t.batch, 2);
  ASSERT_EQ(t.models.size(), 2u);
  EXPECT_EQ(t.models[0].whole->ms, 1.5);
  EXPECT_EQ(t.models[0].kernels[0].op, "Conv");
  EXPECT_EQ(t.models[0].check->agreement, 0.9);
  EXPECT_FALSE(t.models[1].whole);
  EXPECT_EQ(t.models[1].remark, "did not run: no such operator");
}

TEST(TimingsTest, damaged_json_is_refused) {
  EXPECT_EQ(problem("{\n\"qsweep_kit\": 1,\n"), "this is not sound JSON [f:2]");
  EXPECT_NE(problem("{\"a\": 1}").find("this JSON is no file of times that qsweep knows"),
            std::string::npos);
  EXPECT_EQ(problem(R"({"qsweep_kit": 2, "models": []})"),
            "this kit's measurements are of another version than 1 [f]");
  EXPECT_EQ(problem(R"({"qsweep_kit": 1, "models": []})"), "the file has no models [f]");
  EXPECT_EQ(problem(R"({"qsweep_kit": 1, "models": [{"times": {}}]})"),
            "a model has no scheme_id [f]");
  EXPECT_EQ(problem(R"({"qsweep_kit": 1, "models": [{"scheme_id": "a", "times": {}}]})"),
            "model a has no times.median_ms [f]");
  EXPECT_EQ(problem(R"({"qsweep_kit": 1, "models": [{"scheme_id": "a",
                       "times": {"median_ms": -1}}]})"),
            "model a: median_ms is -1: it takes a finite number of ms, not negative [f]");
  EXPECT_EQ(problem(R"({"qsweep_kit": 1, "batch": "two", "models": []})"),
            "a value is of another kind than it should be [f]");
}

}  // namespace
}  // namespace qsweep
