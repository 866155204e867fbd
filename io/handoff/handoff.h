#pragma once

#include <string>
#include <vector>

#include "src/quant/format.h"

#include "src/graph/layers.h"

namespace qsweep {

/// A scheme for people who build it with other tools.
struct Handoff {
  std::string float_model;   ///< ONNX files and images as the scripts name them: relative to the
  std::string scheme_model;  ///< folder that the scripts are in
  std::string calibration;   ///< .npy with preprocessed images [N, C, H, W]
  std::string input;         ///< name of the model's input
  Shape image;               ///< [1, C, H, W]
  bool open_batch = false;   ///< the model leaves the batch open, so TensorRT asks for a shape
  std::string calibrator;    ///< minmax, percentile, entropy or mse
  double percentile = 99.999;
  std::vector<Layer> layers{};
  std::vector<Precision> precision{};  ///< by layer
};

struct HandoffFile {
  std::string name;
  std::string text;
};

/// run_trt.sh (trtexec: build and time both models), modelopt_onnx.sh (ModelOpt's ONNX quantizer),
/// modelopt_quant_cfg.py (ModelOpt's torch configuration, one Python literal),
/// onnxruntime_quantize.py (quantize_static) and neural_compressor_quantize.py. What a tool cannot
/// express is said in a comment. Each is a pure function of the scheme. (R259-R264)
[[nodiscard]] std::vector<HandoffFile> handoff_files(const Handoff& handoff);

/// The PyTorch module behind an ONNX node name of torch.onnx.export:
/// `/layer1/layer1.0/conv1/Conv` -> `layer1.0.conv1`. Other names keep their parts, joined by `.`.
[[nodiscard]] std::string module_of(const Layer& layer);

}  // namespace qsweep
