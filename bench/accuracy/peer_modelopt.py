"""MODEL CALIBRATION.npy 'MODE METHOD' OUT: ModelOpt's ONNX quantizer, in its own interpreter."""
import sys

import numpy as np
import onnx
from modelopt.onnx.quantization import quantize

model, calibration, mode, out = sys.argv[1:]
quantize_mode, method = mode.split()
name = onnx.load(model).graph.input[0].name
quantize(model, quantize_mode=quantize_mode, calibration_method=method, calibration_data={name: np.load(calibration)},
         calibration_eps=["cpu"], output_path=out)
