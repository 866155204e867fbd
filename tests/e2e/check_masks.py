"""Mean IoU and pixel accuracy of FOLDER's float.json and w8a8.json (`qsweep eval`) against those of network.onnx and of
the exported w8a8.onnx in ONNX Runtime, on the arrays of data.npz."""
import json
import pathlib
import sys

import numpy as np
import onnxruntime as ort

CLASSES, IGNORED = 117, 255
folder = pathlib.Path(sys.argv[1])
data = np.load(folder / "data.npz")


def figures(model):
    options = ort.SessionOptions()  # every node as written: no integer kernels, which saturate on some machines
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(folder / model), options, providers=["CPUExecutionProvider"])
    confusion = np.zeros((CLASSES, CLASSES), np.int64)
    for x, mask in zip(data["inputs"], data["masks"].astype(np.int64)):
        answer = session.run(None, {"image": x[None]})[0][0].argmax(0)
        keep = mask != IGNORED
        confusion += np.bincount(mask[keep] * CLASSES + answer[keep], minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    inside, labelled, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    assert (labelled > 0).all() and (predicted > 0).sum() > 20, "too few classes to be a test"
    return {"miou": np.mean(inside / (labelled + predicted - inside)), "pixel_accuracy": inside.sum() / confusion.sum()}


def found(name):
    return json.loads((folder / name).read_text())


floats, w8a8, w4a4 = found("float.json"), found("w8a8.json"), found("w4a4.json")
for ours, model in ((floats, "network.onnx"), (w8a8, "w8a8.onnx")):
    for figure, expected in figures(model).items():
        print(f"{model:12} {figure} {ours[figure]:.6f}, in ONNX Runtime {expected:.6f}")
        assert abs(ours[figure] - expected) < 1e-3, "more than pixels whose best two classes are within rounding"
assert floats["drop"] == 0
for scheme in (w8a8, w4a4):
    assert scheme["baseline_miou"] == floats["miou"]
    assert abs(floats["miou"] - scheme["miou"] - scheme["drop"]) < 1e-9
    assert scheme["drop_low"] < scheme["drop"] < scheme["drop_high"]
assert abs(w8a8["drop"]) < 0.03 < w4a4["drop"] and 0 < w8a8["kl"] < w4a4["kl"], (w8a8["drop"], w4a4["drop"])
