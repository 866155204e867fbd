#!/usr/bin/env python3
"""Top-1 of every format x algorithm x model, beside the tools a user would take instead, on the same calibration images.

  table.py build/qsweep MODELS_DIR TRAIN.bin TEST.bin [--models a,b] [--modelopt PYTHON] [--inc PYTHON] [--json FILE]

qsweep's rows are its own evaluation (checked against ONNX Runtime on the exported files by bench/export). The peers'
files are evaluated by ONNX Runtime; brackets tell how many of the layers they quantize. A tool that refuses, or whose
file does not run, shows why. PYTHON names an interpreter where that tool is installed; without it the tool is left out.
"""
import argparse
import json
import logging
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
import yaml
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.WARNING)
ort.set_default_logger_severity(3)
MODELS = ("resnet8_cifar10", "resnet20_cifar10", "resnet56_cifar10", "vit_cifar10")
CALIBRATION_IMAGES = 256
# (row, scheme, further options of `qsweep eval`)
ROWS = [
    ("FP32", "*=FP32", ()),
    ("FP16", "*=FP16", ()),
    *((f"W8A8 {c}", "*=W8A8", ("--calibrator", c)) for c in ("minmax", "moving_average", "percentile", "entropy", "mse")),
    ("W8A8 per tensor", "*=W8A8:tensor", ()),
    ("W8A16", "*=W8A16", ()),
    ("W8FA8F (FP8)", "*=W8FA8F", ()),
    *((f"{p} {a}", f"*={p}", ("--algorithm", a)) for p in ("W4A16", "W4A16:g32", "W4A8", "W4A8F") for a in ("rtn", "mse")),
    ("NVFP4", "*=NVFP4", ()),
    ("MXFP4", "*=MXFP4", ()),
]


def preprocessed(path, card, count=None):
    pixels = np.fromfile(path, np.uint8).reshape(-1, 3073)[:count]
    mean, std = (np.array(card[k], np.float32).reshape(1, 3, 1, 1) for k in ("mean", "std"))
    return ((pixels[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(card["scale"]) - mean) / std).astype(np.float32), pixels[:, 0]


class Batches(CalibrationDataReader):
    def __init__(self, name, images):
        self.batches = iter([{name: images[i : i + 32]} for i in range(0, len(images), 32)])

    def get_next(self):
        return next(self.batches, None)


def top1(model, images, labels):
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = [session.run(None, {name: images[i : i + 64]})[0].argmax(1) for i in range(0, len(images), 64)]
    return int((np.concatenate(found) == labels).sum())


def coverage(path):
    """'quantized/all' of the layers whose weight is a constant: a tool that leaves layers in float keeps their accuracy."""
    graph = onnx.load(path).graph
    made_by, constants = {o: n for n in graph.node for o in n.output}, {i.name for i in graph.initializer}

    def source(name):
        steps = set()
        while name in made_by and made_by[name].op_type in ("DequantizeLinear", "QuantizeLinear", "Cast", "Reshape", "Transpose", "Mul", "Constant"):
            steps.add(made_by[name].op_type)
            if not made_by[name].input:
                return steps, True
            name = made_by[name].input[0]
        return steps, name in constants

    layers = [source(n.input[1]) for n in graph.node if n.op_type in ("Conv", "Gemm", "MatMul")]
    return f"{sum('DequantizeLinear' in steps for steps, constant in layers if constant)}/{sum(constant for _, constant in layers)}"


def reason(error):
    return "fails: " + str(error).strip().splitlines()[-1][:90]


def onnxruntime_rows(source, scratch, name, calibration):
    prepared = scratch / "prepared.onnx"
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    for method in ("MinMax", "Entropy", "Percentile"):
        for per_channel in (True, False):
            out = scratch / f"ort_{method}_{per_channel}.onnx"

            def make(out=out, method=method, per_channel=per_channel):
                quantize_static(prepared, out, Batches(name, calibration), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod[method])
                return out

            yield f"ONNX Runtime INT8 {method.lower()}{'' if per_channel else ', per tensor'}", make


def peer_rows(python, script, tool, modes, source, scratch, calibration_file):
    for mode in modes:
        out = scratch / f"{tool}_{mode}.onnx".replace(" ", "_").replace("/", "_")

        def make(out=out, mode=mode):
            done = subprocess.run([python, pathlib.Path(__file__).with_name(script), source, calibration_file, mode, out], capture_output=True, text=True, cwd=scratch)
            if done.returncode != 0 or not out.exists():
                raise RuntimeError(done.stderr or done.stdout or "no file written")
            return out

        yield f"{tool} {mode}", make


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("qsweep", "models_dir", "train", "test"):
        p.add_argument(name)
    p.add_argument("--models", default=",".join(MODELS))
    p.add_argument("--modelopt")
    p.add_argument("--inc")
    p.add_argument("--json")
    args = p.parse_args()

    table, names = {}, args.models.split(",")
    for model in names:
        source = (pathlib.Path(args.models_dir) / f"{model}.onnx").resolve()
        card = yaml.safe_load(source.with_suffix(".yaml").read_text())["input"]
        # The images qsweep calibrates on with `--calib-sampling first`: the same for every tool.
        calibration, _ = preprocessed(args.train, card, CALIBRATION_IMAGES)
        images, labels = preprocessed(args.test, card)
        for row, scheme, options in ROWS:
            command = [args.qsweep, "eval", source, "--data", f"cifar10:{args.test}", "--calib", f"cifar10:{args.train}", "--calib-images",
                       str(CALIBRATION_IMAGES), "--calib-sampling", "first", "--scheme", scheme, "--json", *options]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            table.setdefault(row, {})[model] = json.loads(done.stdout)["top1_correct"] if done.returncode == 0 else reason(done.stderr)
        with tempfile.TemporaryDirectory() as folder:
            scratch = pathlib.Path(folder)
            np.save(scratch / "calibration.npy", calibration)
            name = ort.InferenceSession(source).get_inputs()[0].name
            rows = list(onnxruntime_rows(source, scratch, name, calibration))
            if args.modelopt:
                rows += peer_rows(args.modelopt, "peer_modelopt.py", "ModelOpt", ("int8 max", "int8 entropy", "int4 rtn_dq", "int4 awq_clip", "fp8 max"),
                                  source, scratch, scratch / "calibration.npy")
            if args.inc:
                rows += peer_rows(args.inc, "peer_inc.py", "Neural Compressor", ("minmax", "kl", "percentile"), source, scratch, scratch / "calibration.npy")
            for row, make in rows:
                try:
                    made = str(make())
                    table.setdefault(row, {})[model] = f"{top1(made, images, labels)} ({coverage(made)})"
                except Exception as error:  # noqa: BLE001 - a peer's failure is a result
                    table.setdefault(row, {})[model] = reason(error)
        print(f"{model} done", file=sys.stderr)

    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(table, indent=2) + "\n")
    print(f"| of {len(labels)} images right | " + " | ".join(names) + " |")
    print("| --- |" + " ---: |" * len(names))
    for row, cells in table.items():
        print(f"| {row} | " + " | ".join(str(cells.get(m, "")) for m in names) + " |")


if __name__ == "__main__":
    main()
