#pragma once

#include <limits>
#include <string>

#include "src/results/results.h"

namespace qsweep {

/// A small run with every case a renderer must handle: a failed scheme, a NaN layer, an infinite
/// SQNR, an inseparable step, names that need quoting in CSV, Markdown and HTML.
inline RunResults small_run() {
  RunResults run;
  run.model = {.path = "tiny.onnx",
               .sha256 = std::string(64, 'a'),
               .name = "tiny",
               .opset = 13,
               .batch_norms_folded = 2,
               .parameters = 1234,
               .macs = 56789,
               .float_bytes = 4936,
               .input_shape = "1x3x8x8"};
  run.calibration = {.spec = "cifar10:train.bin",
                     .digest = "c0ffee",
                     .images = 64,
                     .sampling = "stratified",
                     .sample_ids = {1, 5, 9}};
  run.evaluation = {.spec = "cifar10:test.bin",
                    .digest = "beef",
                    .images = 1000,
                    .sampling = "all",
                    .sample_ids = {0, 1, 2}};
  run.class_names = {"cat", "dog, small"};
  run.calibrator = "minmax";
  run.preset = "INT8_DEFAULT_CFG";
  run.algorithm = "rtn";
  run.rules = {R"("*weight_quantizer": {"num_bits": 8, "axis": 0})",
               R"("default": {"enable": false})"};
  run.score = "kl";
  run.precisions = {"FP32", "W8A8", "W4A8"};
  run.layers = {{.name = "conv1",
                 .op = "Conv",
                 .group = "stem",
                 .weight_shape = "8x3x3x3",
                 .output_shape = "1x8x8x8",
                 .macs = 13824,
                 .parameters = 224},
                {.name = "conv2|</script>",
                 .op = "Conv",
                 .group = "body",
                 .weight_shape = "8x8x3x3",
                 .output_shape = "1x8x8x8",
                 .macs = 36864,
                 .parameters = 584},
                {.name = "fc",
                 .op = "Gemm",
                 .group = "head",
                 .weight_shape = "2x8",
                 .output_shape = "1x2",
                 .macs = 16,
                 .parameters = 18}};
  run.calibration_stats = {
      {.tensor = "input", .layer = "conv1", .min = 0, .max = 255, .images = 64},
      {.tensor = "x1", .layer = "conv2|</script>", .min = 0, .max = 6, .images = 64},
      {.tensor = "x2", .layer = "fc", .min = 0, .max = 4.5F, .images = 64}};
  const auto probe = [&](const char* layer, const char* precision, const char* mode, double kl,
                         double drop, double low, double high, int rank) {
    run.sensitivity.push_back({.layer = layer,
                               .precision = precision,
                               .mode = mode,
                               .kl = kl,
                               .sqnr_db = 30.5,
                               .mse = 1e-4,
                               .cosine = 0.999,
                               .qdq_error = 0.003,
                               .output_mse = 2e-5,
                               .metric = 0.9 - drop,
                               .metric_drop = drop,
                               .ci_low = low,
                               .ci_high = high,
                               .size_cost = 224,
                               .sensitivity_class = drop > 0.01 ? "high" : "low",
                               .rank = rank});
  };
  probe("conv1", "W8A8", "only", 0.001, 0.0012, -0.001, 0.0034, 2);
  probe("conv2|</script>", "W8A8", "only", 0.02, 0.015, 0.011, 0.019, 1);
  probe("fc", "W8A8", "only", 0.0, -0.0005, -0.001, 0.0, 3);
  run.sensitivity.back().sqnr_db = std::numeric_limits<double>::infinity();
  probe("conv1", "W4A8", "only", 0.11, 0.031, 0.02, 0.042, 2);
  probe("conv2|</script>", "W4A8", "only", std::numeric_limits<double>::quiet_NaN(), 0.4, 0.37,
        0.43, 1);
  run.sensitivity.back().nonfinite = true;
  probe("fc", "W4A8", "only", 0.004, 0.002, 0.0005, 0.0035, 3);
  probe("conv1", "W8A8", "all_but", 0.03, 0.014, 0.01, 0.018, 1);
  run.groups = {{.name = "stem",
                 .sensitivity_class = "high",
                 .recommendation = "keep at higher precision",
                 .drop = 0.031,
                 .kl = 0.11,
                 .work_share = 0.27,
                 .layers = 1},
                {.name = "body",
                 .sensitivity_class = "low",
                 .recommendation = "quantize",
                 .drop = 0.002,
                 .kl = 0.004,
                 .work_share = 0.73,
                 .layers = 2}};

  run.baseline = {.kind = "scheme",
                  .id = "000000000000",
                  .name = "float",
                  .text = "*=FP32",
                  .precision = {0, 0, 0},
                  .images = 1000,
                  .metric = 0.9,
                  .ci_low = 0.88,
                  .ci_high = 0.92,
                  .others = {1},
                  .agreement = 1,
                  .size_bytes = 4936,
                  .effective_bits = 32,
                  .bops = 5e7,
                  .latency_ms = 1.25,
                  .latency_source = "measured",
                  .on_front = true};
  run.baseline.class_metric = {0.88, 0.92};
  run.baseline.confusion = {440, 60, 40, 460};
  run.evaluations.push_back({.kind = "sensitivity",
                             .id = "111111111111",
                             .name = "conv1 at W8A8",
                             .text = "conv1=W8A8",
                             .precision = {1, 0, 0},
                             .images = 1000,
                             .metric = 0.8988,
                             .ci_low = 0.878,
                             .ci_high = 0.917,
                             .others = {1},
                             .drop = 0.0012,
                             .drop_low = -0.001,
                             .drop_high = 0.0034,
                             .kl = 0.001,
                             .agreement = 0.998,
                             .size_bytes = 4300,
                             .effective_bits = 27.5,
                             .elapsed_s = 0.25});
  RunResults::Evaluation w8 = {.kind = "scheme",
                               .id = "222222222222",
                               .name = "W8A8, uniform \"all\"",
                               .text = "*=W8A8",
                               .precision = {1, 1, 1},
                               .images = 1000,
                               .metric = 0.895,
                               .ci_low = 0.875,
                               .ci_high = 0.914,
                               .others = {1},
                               .drop = 0.005,
                               .drop_low = -0.001,
                               .drop_high = 0.011,
                               .drop_se = 0.003,
                               .p_value = 0.1,
                               .kl = 0.02,
                               .agreement = 0.985,
                               .size_bytes = 1300,
                               .effective_bits = 8.4,
                               .bops = 3e6,
                               .latency_ms = 0.5,
                               .latency_source = "measured",
                               .on_front = true,
                               .inseparable = true,
                               .elapsed_s = 1.5};
  w8.class_metric = {0.87, 0.92};
  w8.confusion = {435, 65, 40, 460};
  run.evaluations.push_back(w8);
  RunResults::Evaluation w4 = {.kind = "scheme",
                               .id = "333333333333",
                               .name = "W4A8 keep W8A8 top 1",
                               .text = "*=W4A8; conv1=W8A8",
                               .precision = {1, 2, 2},
                               .images = 1000,
                               .metric = 0.86,
                               .ci_low = 0.838,
                               .ci_high = 0.88,
                               .others = {1},
                               .drop = 0.04,
                               .drop_low = 0.03,
                               .drop_high = 0.05,
                               .drop_se = 0.005,
                               .p_value = 1e-9,
                               .kl = 0.3,
                               .agreement = 0.93,
                               .size_bytes = 760,
                               .effective_bits = 4.9,
                               .bops = 2e6,
                               .latency_ms = 0.4,
                               .latency_source = "measured",
                               .on_front = true,
                               .elapsed_s = 1.25};
  w4.class_metric = {0.80, 0.92};
  w4.confusion = {400, 100, 40, 460};
  run.evaluations.push_back(w4);
  run.evaluations.push_back({.kind = "scheme",
                             .id = "444444444444",
                             .name = "W4A8",
                             .text = "*=W4A8",
                             .precision = {2, 2, 2},
                             .status = "failed",
                             .reason = "NaN in conv2, image 17",
                             .size_bytes = 700,
                             .effective_bits = 4.5});
  run.latency_device = "test CPU";
  run.latency_source = "measured";
  run.latency_other_ms = 0.05;
  run.latency = {
      {.layer = "conv1", .precision = "FP32", .source = "measured", .kernel = "onednn", .ms = 0.5},
      {.layer = "conv1", .precision = "W8A8", .source = "measured", .kernel = "vnni", .ms = 0.2}};
  run.provenance = {{"qsweep", "0.1.0"}, {"openblas", "0.3.21"}};
  run.remarks = {"conv2 at W4A8 overflowed: its input spans 40 times the median range"};
  run.ledger.stage_seconds = {{"sweep", 3.0}};
  return run;
}

}  // namespace qsweep
