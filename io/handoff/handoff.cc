#include "io/handoff/handoff.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "src/base/text.h"

namespace qsweep {
namespace {

/// 'text' for a POSIX shell.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// 'text' for Python.
std::string python_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

const char* python_bool(bool value) {
  return value ? "True" : "False";
}

bool is_int8(const Format& f) {
  return f.dtype == DType::i8 || f.dtype == DType::u8;
}
bool is_float8(const Format& f) {
  return f.dtype == DType::f8e4m3fn || f.dtype == DType::f8e5m2;
}
bool is_int4(const Format& f) {
  return f.dtype == DType::i4 || f.dtype == DType::u4;
}

bool any_operand(const Handoff& h, bool (*test)(const Format&)) {
  return std::ranges::any_of(
      h.precision, [&](const Precision& p) { return test(p.weight) || test(p.activation); });
}

/// Names of the layers whose precision passes (or fails) a test.
std::vector<std::string> names_where(const Handoff& h,
                                     const std::function<bool(const Precision&)>& test) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < h.layers.size(); ++i) {
    if (test(h.precision[i])) names.push_back(h.layers[i].name);
  }
  return names;
}

std::string stem(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  const std::string file = slash == std::string::npos ? path : path.substr(slash + 1);
  return file.substr(0, file.rfind('.'));
}

std::string tensorrt_script(const Handoff& h) {
  std::string flags;
  if (any_operand(h, is_int8)) flags += " --int8";
  if (any_operand(h, is_float8)) flags += " --fp8";
  if (any_operand(h, is_int4)) flags += " --int4";
  flags += " --fp16";
  const std::string shapes =
      h.open_batch ? " --shapes=" + shell_quoted(h.input + ":" + to_string(h.image)) : "";
  const std::string engine = stem(h.scheme_model) + ".trt";
  std::string text =
      "#!/usr/bin/env bash\n"
      "# TensorRT engines of the float model (FP16) and of the scheme, built and timed.\n";
  const bool asymmetric = std::ranges::any_of(h.precision, [](const Precision& p) {
    return is_int8(p.activation) && !p.activation.symmetric;
  });
  if (asymmetric) {
    text +=
        "# TensorRT takes symmetric INT8 activations only; this scheme has asymmetric ones. Set\n"
        "# quantization.activations: {symmetric: true, type: int8} and export again.\n";
  }
  text += "set -euo pipefail\ncd \"$(dirname \"$0\")\"\ntrtexec=${TRTEXEC:-trtexec}\n\n";
  text += fmt::format("\"$trtexec\" --onnx={} --fp16 --saveEngine=model_fp16.trt{}\n",
                      shell_quoted(h.float_model), shapes);
  text += fmt::format("\"$trtexec\" --onnx={}{} --saveEngine={}{}\n\n",
                      shell_quoted(h.scheme_model), flags, shell_quoted(engine), shapes);
  text += fmt::format(
      "for engine in model_fp16.trt {}; do\n"
      "  \"$trtexec\" --loadEngine=\"$engine\"{} --iterations=50 --warmUp=200 --verbose "
      "--dumpProfile \\\n"
      "    --separateProfileRun --exportProfile=\"${{engine%.trt}}_profile.json\" "
      "--exportTimes=\"${{engine%.trt}}_times.json\"\n"
      "done\n",
      shell_quoted(engine), shapes);
  return text;
}

/// ModelOpt's ONNX quantizer has one format for the model: the one most layers have.
std::string modelopt_command(const Handoff& h) {
  struct Mode {
    const char* name;
    std::function<bool(const Precision&)> test;
  };
  const Mode modes[] = {
      {"int8", [](const Precision& p) { return is_int8(p.weight) && is_int8(p.activation); }},
      {"fp8", [](const Precision& p) { return is_float8(p.weight) && is_float8(p.activation); }},
      {"int4",
       [](const Precision& p) { return is_int4(p.weight) && !p.activation.is_quantized(); }},
  };
  const Mode* best = &modes[0];
  for (const Mode& mode : modes) {
    if (names_where(h, mode.test).size() > names_where(h, best->test).size()) best = &mode;
  }
  const std::vector<std::string> others =
      names_where(h, [&](const Precision& p) { return !best->test(p); });
  const bool is_weight_only = std::string_view(best->name) == "int4";
  const std::string method = is_weight_only              ? "rtn_dq"
                             : h.calibrator == "entropy" ? "entropy"
                                                         : "max";
  std::string text =
      "#!/usr/bin/env bash\n"
      "# The nearest that ModelOpt's ONNX quantizer has: one format for the whole model.\n";
  const auto quantized = [&](const Precision& p) {
    return (p.weight.is_quantized() || p.activation.is_quantized()) && !best->test(p) &&
           !(p.weight.dtype == DType::f16 || p.weight.dtype == DType::bf16);
  };
  if (const auto lost = names_where(h, quantized); !lost.empty()) {
    text += fmt::format("# Left in float here, though the scheme quantizes them otherwise: {}\n",
                        join(lost, ", "));
  }
  text += "set -euo pipefail\ncd \"$(dirname \"$0\")\"\n\n";
  text += fmt::format(
      "python -m modelopt.onnx.quantization \\\n  --onnx_path={} \\\n  --quantize_mode={} \\\n"
      "  --calibration_method={} \\\n  --calibration_data={} \\\n  --output_path={}",
      shell_quoted(h.float_model), best->name, method, shell_quoted(h.calibration),
      shell_quoted(stem(h.scheme_model) + "_modelopt.onnx"));
  if (!others.empty()) {
    text += " \\\n  --nodes_to_exclude";
    for (const std::string& name : others) text += " " + shell_quoted(name);
  }
  return text + "\n";
}

/// One quantizer of ModelOpt's quant_cfg.
std::string quantizer(const Format& format) {
  std::string bits;
  if (is_integer(format.dtype)) bits = std::to_string(stored_bits(format.dtype));
  if (format.dtype == DType::f8e4m3fn) bits = "(4, 3)";
  if (format.dtype == DType::f8e5m2) bits = "(5, 2)";
  if (format.dtype == DType::f4e2m1) bits = "(2, 1)";
  if (bits.empty()) return "{'enable': False}";
  switch (format.granularity) {
    case Granularity::per_block:
      return fmt::format("{{'num_bits': {}, 'block_sizes': {{-1: {}}}, 'enable': True}}", bits,
                         format.block_size);
    case Granularity::per_channel:
      return fmt::format("{{'num_bits': {}, 'axis': 0, 'enable': True}}", bits);
    case Granularity::per_tensor:
      break;
  }
  return fmt::format("{{'num_bits': {}, 'axis': None, 'enable': True}}", bits);
}

std::string modelopt_config(const Handoff& h) {
  std::string text =
      "# For modelopt.torch.quantization: mtq.quantize(model, ast.literal_eval(this file), "
      "forward_loop).\n"
      "# ModelOpt's integers are symmetric; layers at FP16 or BF16 stay unquantized.\n"
      "{\n  'quant_cfg': {\n    'default': {'enable': False},\n";
  for (std::size_t i = 0; i < h.layers.size(); ++i) {
    const std::string module = module_of(h.layers[i]);
    text += fmt::format("    {}: {},\n", python_quoted("*" + module + ".weight_quantizer"),
                        quantizer(h.precision[i].weight));
    text += fmt::format("    {}: {},\n", python_quoted("*" + module + ".input_quantizer"),
                        quantizer(h.precision[i].activation));
  }
  return text + "  },\n  'algorithm': 'max',\n}\n";
}

std::string onnxruntime_script(const Handoff& h) {
  const auto is_w8a8 = [](const Precision& p) {
    return is_int8(p.weight) && is_int8(p.activation);
  };
  const auto first = std::ranges::find_if(h.precision, is_w8a8);
  std::string text =
      "\"\"\"ONNX Runtime's static quantization with the scheme's parameters. It has one format: "
      "the layers that are\nnot INT8 in weight and activation stay in float.\"\"\"\n";
  if (first == h.precision.end())
    return text +
           "raise SystemExit('this scheme has no layer with INT8 weights and activations')\n";
  const Precision& p = *first;
  const auto type = [](const Format& f) { return f.dtype == DType::u8 ? "QUInt8" : "QInt8"; };
  const char* method = h.calibrator == "entropy"      ? "Entropy"
                       : h.calibrator == "percentile" ? "Percentile"
                                                      : "MinMax";
  text += fmt::format(
      "import pathlib\n\nimport numpy as np\n"
      "from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, "
      "QuantFormat, QuantType,\n                                      quantize_static)\n\n"
      "here = pathlib.Path(__file__).parent\n\n\n"
      "class Images(CalibrationDataReader):\n"
      "    def __init__(self, path):\n"
      "        self.images = iter(np.load(path))\n\n"
      "    def get_next(self):\n"
      "        image = next(self.images, None)\n"
      "        return None if image is None else {{{}: image[None]}}\n\n\n",
      python_quoted(h.input));
  text += fmt::format(
      "quantize_static(\n    here / {}, here / {}, Images(here / {}),\n"
      "    quant_format=QuantFormat.QDQ,\n    per_channel={},\n    reduce_range={},\n"
      "    activation_type=QuantType.{},\n    weight_type=QuantType.{},\n"
      "    calibrate_method=CalibrationMethod.{},\n",
      python_quoted(h.float_model), python_quoted(stem(h.scheme_model) + "_onnxruntime.onnx"),
      python_quoted(h.calibration), python_bool(p.weight.granularity != Granularity::per_tensor),
      python_bool(p.weight.reduce_range), type(p.activation), type(p.weight), method);
  text += "    nodes_to_quantize=[\n";
  for (const std::string& name : names_where(h, is_w8a8))
    text += fmt::format("        {},\n", python_quoted(name));
  text +=
      fmt::format("    ],\n    extra_options={{'ActivationSymmetric': {}, 'WeightSymmetric': {}",
                  python_bool(p.activation.symmetric), python_bool(p.weight.symmetric));
  if (h.calibrator == "percentile") text += fmt::format(", 'CalibPercentile': {}", h.percentile);
  return text + "})\n";
}

std::string neural_compressor_script(const Handoff& h) {
  const auto in_float = [](const Precision& p) {
    return !is_int8(p.weight) || !is_int8(p.activation);
  };
  std::string text =
      "\"\"\"Intel Neural Compressor 2.x's static ONNX quantization. It has INT8 alone: the layers "
      "that are not INT8 in\nweight and activation stay in float.\"\"\"\n";
  if (std::ranges::all_of(h.precision, in_float))
    return text +
           "raise SystemExit('this scheme has no layer with INT8 weights and activations')\n";
  const char* method = h.calibrator == "entropy"      ? "kl"
                       : h.calibrator == "percentile" ? "percentile"
                                                      : "minmax";
  text += fmt::format(
      "import pathlib\n\nimport numpy as np\nimport onnx\n"
      "from neural_compressor import PostTrainingQuantConfig, quantization\n\n"
      "here = pathlib.Path(__file__).parent\n\n\n"
      "class Images:\n"
      "    batch_size = 1\n\n"
      "    def __init__(self, path):\n"
      "        self.images = np.load(path)\n\n"
      "    def __iter__(self):\n"
      "        return ((image[None], 0) for image in self.images)\n\n\n"
      "images = Images(here / {})\n"
      "in_float = {{'activation': {{'dtype': ['fp32']}}, 'weight': {{'dtype': ['fp32']}}}}\n"
      "config = PostTrainingQuantConfig(\n    approach='static',\n    quant_format='QDQ',\n"
      "    calibration_sampling_size=[len(images.images)],\n"
      "    op_type_dict={{'.*': {{'activation': {{'algorithm': ['{}']}}}}}},\n"
      "    op_name_dict={{\n",
      python_quoted(h.calibration), method);
  for (const std::string& name : names_where(h, in_float))
    text += fmt::format("        {}: in_float,\n", python_quoted(name));
  return text + fmt::format(
                    "    }},\n)\n"
                    "quantization.fit(onnx.load(here / {}), config, "
                    "calib_dataloader=images).save(here / {})\n",
                    python_quoted(h.float_model),
                    python_quoted(stem(h.scheme_model) + "_neural_compressor.onnx"));
}

}  // namespace

std::string module_of(const Layer& layer) {
  std::vector<std::string> parts = split(layer.name, '/');
  std::erase(parts, "");
  if (parts.size() > 1 && parts.back() == layer.op) parts.pop_back();
  std::vector<std::string> path;
  for (const std::string& part : parts) {
    // torch repeats the parent in the names of a list's members: layer1, layer1.0
    if (!path.empty() && part.starts_with(path.back() + ".")) path.pop_back();
    path.push_back(part);
  }
  return join(path, ".");
}

std::vector<HandoffFile> handoff_files(const Handoff& handoff) {
  return {{"run_trt.sh", tensorrt_script(handoff)},
          {"modelopt_onnx.sh", modelopt_command(handoff)},
          {"modelopt_quant_cfg.py", modelopt_config(handoff)},
          {"onnxruntime_quantize.py", onnxruntime_script(handoff)},
          {"neural_compressor_quantize.py", neural_compressor_script(handoff)}};
}

}  // namespace qsweep
