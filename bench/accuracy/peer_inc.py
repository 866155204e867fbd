"""MODEL CALIBRATION.npy METHOD OUT: Intel Neural Compressor 2.6's static ONNX quantizer, in its own interpreter."""
import sys

import numpy as np
import onnx
from neural_compressor import PostTrainingQuantConfig, quantization

model, calibration, method, out = sys.argv[1:]
images = np.load(calibration)


class Loader:
    batch_size = 32

    def __iter__(self):
        for i in range(0, len(images), self.batch_size):
            yield images[i : i + self.batch_size], np.zeros(self.batch_size)


config = PostTrainingQuantConfig(approach="static", quant_format="QDQ", calibration_sampling_size=[len(images)],
                                 op_type_dict={".*": {"activation": {"algorithm": [method]}}})
quantization.fit(onnx.load(model), config, calib_dataloader=Loader()).save(out)
