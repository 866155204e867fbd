#include "io/handoff/handoff.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

Layer layer(const std::string& name, const std::string& op) {
  Layer l;
  l.name = name;
  l.op = op;
  return l;
}

Handoff small(const std::vector<std::string>& precisions) {
  Handoff h{.float_model = "model_fp32.onnx",
            .scheme_model = "../it's.onnx",
            .calibration = "calibration_data.npy",
            .input = "images",
            .image = {1, 3, 640, 640},
            .calibrator = "entropy"};
  h.layers = {layer("/conv1/Conv", "Conv"), layer("/layer1/layer1.0/conv1/Conv", "Conv"),
              layer("fc", "Gemm")};
  for (const std::string& p : precisions) h.precision.push_back(parse_precision(p));
  return h;
}

std::string text_of(const Handoff& h, const std::string& name) {
  const auto files = handoff_files(h);
  return std::ranges::find(files, name, &HandoffFile::name)->text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Handoff, TrtexecBuildsAndTimesBothModels) {
  Handoff h = small({"W8A8", "W8A8", "FP16"});
  const std::string text = text_of(h, "run_trt.sh");
  EXPECT_TRUE(has(text, "--onnx='model_fp32.onnx' --fp16 --saveEngine=model_fp16.trt\n"));
  EXPECT_TRUE(has(text, R"(--onnx='../it'\''s.onnx' --int8 --fp16 --saveEngine='it'\''s.trt')"));
  EXPECT_TRUE(has(text, "--iterations=50 --warmUp=200 --verbose --dumpProfile"));
  EXPECT_FALSE(has(text, "--shapes"));  // trtexec refuses shapes for a model without open extents
  EXPECT_TRUE(has(text, "symmetric INT8 activations only"));
  h.open_batch = true;
  EXPECT_TRUE(has(text_of(h, "run_trt.sh"), "--shapes='images:1x3x640x640'"));
  EXPECT_TRUE(has(text_of(small({"W4A8F", "FP16", "FP16"}), "run_trt.sh"), " --fp8 --int4 --fp16"));
}

TEST(Handoff, ModelOptOnnxTakesTheCommonestFormatAndExcludesTheRest) {
  EXPECT_EQ(text_of(small({"W8FA8F", "W8A8", "W8A8"}), "modelopt_onnx.sh"),
            "#!/usr/bin/env bash\n"
            "# The nearest that ModelOpt's ONNX quantizer has: one format for the whole model.\n"
            "# Left in float here, though the scheme quantizes them otherwise: /conv1/Conv\n"
            "set -euo pipefail\ncd \"$(dirname \"$0\")\"\n\n"
            "python -m modelopt.onnx.quantization \\\n"
            "  --onnx_path='model_fp32.onnx' \\\n"
            "  --quantize_mode=int8 \\\n"
            "  --calibration_method=entropy \\\n"
            "  --calibration_data='calibration_data.npy' \\\n"
            "  --output_path='it'\\''s_modelopt.onnx' \\\n"
            "  --nodes_to_exclude '/conv1/Conv'\n");
  EXPECT_TRUE(
      has(text_of(small({"W8FA8F", "W8FA8F", "W8A8"}), "modelopt_onnx.sh"), "--quantize_mode=fp8"));
  EXPECT_TRUE(has(text_of(small({"W4A16", "W4A16", "FP16"}), "modelopt_onnx.sh"),
                  "--quantize_mode=int4 \\\n  --calibration_method=rtn_dq"));
}

TEST(Handoff, ModelOptTorchNamesModules) {
  EXPECT_EQ(text_of(small({"FP16", "W4A8F", "W4A16:g128"}), "modelopt_quant_cfg.py"),
            "# For modelopt.torch.quantization: mtq.quantize(model, ast.literal_eval(this file), "
            "forward_loop).\n"
            "# ModelOpt's integers are symmetric; layers at FP16 or BF16 stay unquantized.\n"
            "{\n  'quant_cfg': {\n    'default': {'enable': False},\n"
            "    '*conv1.weight_quantizer': {'enable': False},\n"
            "    '*conv1.input_quantizer': {'enable': False},\n"
            "    '*layer1.0.conv1.weight_quantizer': {'num_bits': 4, 'axis': 0, 'enable': True},\n"
            "    '*layer1.0.conv1.input_quantizer': {'num_bits': (4, 3), 'axis': None, 'enable': "
            "True},\n"
            "    '*fc.weight_quantizer': {'num_bits': 4, 'block_sizes': {-1: 128}, 'enable': "
            "True},\n"
            "    '*fc.input_quantizer': {'enable': False},\n"
            "  },\n  'algorithm': 'max',\n}\n");
}

TEST(Handoff, OnnxRuntimeQuantizesTheIntegerLayers) {
  const std::string text = text_of(small({"W8A8", "FP16", "W8A8"}), "onnxruntime_quantize.py");
  EXPECT_TRUE(has(text, "nodes_to_quantize=[\n        '/conv1/Conv',\n        'fc',\n    ],"));
  EXPECT_TRUE(has(text, "CalibrationMethod.Entropy"));
  EXPECT_TRUE(has(text, "here / 'it\\'s_onnxruntime.onnx'"));
  EXPECT_TRUE(has(text_of(small({"FP16", "FP16", "W4A16"}), "onnxruntime_quantize.py"),
                  "raise SystemExit"));
}

TEST(Handoff, NeuralCompressorKeepsTheOtherLayersInFloat) {
  const char* file = "neural_compressor_quantize.py";
  const std::string text = text_of(small({"W8A8", "FP16", "W8A8"}), file);
  EXPECT_TRUE(has(text, "': in_float,"));
  EXPECT_EQ(text.find("in_float,"), text.rfind("in_float,")) << "one layer, the FP16 one";
  EXPECT_TRUE(has(text_of(small({"FP16", "FP16", "W4A16"}), file), "raise SystemExit("));
}

}  // namespace
}  // namespace qsweep
