"""`qsweep export --format fp16` of each model: half the size, all constants FP16, ONNX Runtime within FP16 of FP32."""
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort

TOLERANCE = 0.02  # of the largest output; every intermediate is rounded to 11 bits

binary, scratch, models = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
for model in map(pathlib.Path, models):
    half, full = scratch / (model.stem + "_fp16.onnx"), scratch / (model.stem + "_fp32.onnx")
    subprocess.run([binary, "export", str(model), "--format", "fp16", "--out", str(half)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([binary, "export", str(model), "--out", str(full)], check=True, stdout=subprocess.DEVNULL)
    onnx.checker.check_model(str(half), full_check=True)
    initializers = onnx.load(str(half)).graph.initializer
    assert all(t.data_type != onnx.TensorProto.FLOAT for t in initializers), model
    share = half.stat().st_size / full.stat().st_size
    assert share < 0.55, (model, share)
    outputs = []
    for path in (full, half):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        shape = [d if isinstance(d, int) else 16 for d in entry.shape]
        x = np.random.default_rng(42).standard_normal(shape).astype(np.float32)
        outputs.append(session.run(None, {entry.name: x})[0])
    error = np.abs(outputs[1] - outputs[0]).max() / np.abs(outputs[0]).max()
    print(f"{model.stem:20} {share:.3f} of the size, largest difference {error:.1e}")
    assert error <= TOLERANCE, model
