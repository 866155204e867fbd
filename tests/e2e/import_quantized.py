"""Quantizes each MODEL:TRAIN:EVAL with ONNX Runtime and checks what qsweep says of the results."""
import json
import logging
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import yaml
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, qdq_loss_debug, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.WARNING)
binary, scratch, cases = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
IMAGES = 128  # compared tensor by tensor


def preprocessed(path, card):
    pixels = np.fromfile(path, np.uint8).reshape(-1, 3073)[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)
    mean, std = (np.array(card[k], np.float32).reshape(1, 3, 1, 1) for k in ("mean", "std"))
    return ((pixels / np.float32(card["scale"]) - mean) / std).astype(np.float32)


class Batches(CalibrationDataReader):
    def __init__(self, name, images, size):
        self.batches = iter([{name: images[i : i + size]} for i in range(0, len(images), size)])

    def get_next(self):
        return next(self.batches, None)


def qsweep(*args):
    return json.loads(subprocess.run([binary, *map(str, args), "--json"], check=True, capture_output=True, text=True).stdout)


for case in cases:
    source, train, test = map(pathlib.Path, case.split(":"))
    card_file = source.with_suffix(".yaml")
    card = yaml.safe_load(card_file.read_text())["input"]
    calibration, images = preprocessed(train, card)[:64], preprocessed(test, card)
    float_model = scratch / f"{source.stem}_float.onnx"
    quant_pre_process(str(source), str(float_model), skip_symbolic_shape=True)
    name = ort.InferenceSession(float_model).get_inputs()[0].name
    shutil.copy(card_file, float_model.with_suffix(".yaml"))

    for form in ("QDQ", "QOperator"):
        model = scratch / f"{source.stem}_{form}.onnx"
        quantize_static(float_model, model, Batches(name, calibration, 16), quant_format=QuantFormat[form], per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        shutil.copy(card_file, model.with_suffix(".yaml"))

        inspected = qsweep("inspect", model)
        layers = inspected["qdq"]["layers"]
        assert len(layers) == len(inspected["layers"]), "every layer of the file is listed"
        assert all(l["input"]["dtype"] == "uint8" and l["weight"]["dtype"] == "int8" and not l["left_out"] for l in layers), layers
        if form == "QDQ":
            ops = [n.op_type for n in onnx.load(model).graph.node]
            assert inspected["qdq"]["quantize_linear"] == ops.count("QuantizeLinear")
            assert inspected["qdq"]["dequantize_linear"] == ops.count("DequantizeLinear")

        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(model, options)
        expected = np.concatenate([session.run(None, {name: images[i : i + 64]})[0].argmax(1) for i in range(0, len(images), 64)])
        csv = scratch / "predictions.csv"
        qsweep("eval", model, "--data", f"cifar10:{test}", "--predictions", csv)
        found = np.loadtxt(csv, delimiter=",", skiprows=1, usecols=2, dtype=int)
        agreement = (expected == found).mean()
        print(f"{model.stem:28} {len(found)} images, same class as ONNX Runtime on {100 * agreement:.2f} %")
        assert agreement >= 0.998, model

    quantized = scratch / f"{source.stem}_QDQ.onnx"
    augmented = [scratch / "float_all.onnx", scratch / "quantized_all.onnx"]
    for model, all_values in zip((float_model, quantized), augmented):
        qdq_loss_debug.modify_model_output_intermediate_tensors(str(model), str(all_values))
    float_values, quantized_values = (qdq_loss_debug.collect_activations(str(m), Batches(name, images[:IMAGES], 16)) for m in augmented)
    theirs = qdq_loss_debug.compute_activation_error(
        {k: v for k, v in qdq_loss_debug.create_activation_matching(quantized_values, float_values).items() if v.get("float")})
    compared = qsweep("compare", float_model, quantized, "--data", f"cifar10:{test}", "--limit", IMAGES)
    ours = {t["tensor"]: t for t in compared["tensors"] if t["quantized"]}
    assert set(ours) == set(theirs), set(ours) ^ set(theirs)
    worst = 0.0
    for tensor, error in theirs.items():
        for kind in ("qdq_err", "xmodel_err"):
            mine = ours[tensor][kind]["sqnr_db"]
            if mine is None:  # no error at all: null here, a tiny epsilon there
                assert error[kind] > 300, (tensor, kind, error)
                continue
            worst = max(worst, abs(mine - error[kind]))
    print(f"{source.stem}: {len(ours)} tensors, SQNR within {worst:.3f} dB of qdq_loss_debug")
    # A value on a rounding tie may fall the other way in either engine and move what follows.
    assert worst <= 0.6
