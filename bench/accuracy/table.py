#!/usr/bin/env python3
"""Top-1 of every format x calibrator x weight algorithm, beside the tools a user would take instead, on the same
calibration images.

  table.py build/qsweep MODELS_DIR TRAIN.bin TEST.bin [--models a,b] [--modelopt PYTHON] [--inc PYTHON] [--json FILE]

qsweep's rows are its own evaluation (checked against ONNX Runtime on the exported files by bench/export). The peers'
files are evaluated by ONNX Runtime; brackets tell how many of the layers they quantize. A tool that refuses, or whose
file does not run, shows why. PYTHON names an interpreter where that tool is installed; without it the tool is left out.
--json keeps finished cells, so a run that was stopped goes on.
"""
import argparse
import csv
import itertools
import json
import logging
import pathlib
import re
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
CALIBRATORS = ("minmax", "moving_average", "percentile", "entropy", "mse")
SMOOTH = ("smoothquant", "smoothquant auto", "smoothquant auto, bias")
AWQ = ("awq_lite", "awq_clip", "awq_full", "awq_full, bias")
PLAIN = ("rtn", "mse", "rtn, bias")


def algorithm_rows(precisions, algorithms):
    for p in precisions:
        for a in algorithms:
            settings = {"algorithm": a.replace(",", " ").split()[0], "bias_correction": a.endswith("bias")}
            yield f"{p}, {a}", p, settings | ({"smoothquant_alpha": "auto"} if "auto" in a else {})


# section: (row, precision, the job's `quantization` settings)
SECTIONS = {
    "Formats: minmax, rtn": [(p, p, {}) for p in (
        "FP32", "FP16", "BF16", "W8A8", "W8A8:tensor", "W8A8S", "W8A8S:tensor", "W8UA8", "W8A16", "W8A16:g32", "W8A16:g128",
        "W8FA8F", "W8E5M2A8E5M2", "MXFP8", "W4A16", "W4A16:g32", "W4A16:g128", "W4A8", "W4A8:g32", "W4A8:g128", "W4A8F",
        "W4A8F:g32", "W4A8F:g128", "NVFP4", "MXFP4")] + [("W8A8, reduce_range", "W8A8", {"weights": {"reduce_range": True}})],
    "Calibrators: rtn": [(f"{p}, {c}", p, {"calibrator": c}) for p in ("W8A8", "W8A8:tensor", "W8A8S", "W4A8:g32", "W8FA8F") for c in CALIBRATORS]
    + [("W8A8, entropy of 2048 bins", "W8A8", {"calibrator": "entropy", "bins": 2048})],
    "Weight algorithms: minmax": [*algorithm_rows(("W8A8", "W8A8:tensor"), PLAIN + SMOOTH),
                                  *algorithm_rows(("W4A16", "W4A16:g32", "W4A16:g128", "W4A8", "W4A8F"), PLAIN + AWQ),
                                  *algorithm_rows(("W4A8",), SMOOTH),
                                  *algorithm_rows(("W8FA8F", "NVFP4", "MXFP4"), PLAIN + ("awq_full", "awq_full, bias"))],
}


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
    """With ONNX Runtime's default optimizations; without where they make a graph that it refuses."""
    def correct(level):
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.graph_optimization_level = 1, level
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        found = [session.run(None, {name: images[i : i + 64]})[0].argmax(1) for i in range(0, len(images), 64)]
        return int((np.concatenate(found) == labels).sum())

    try:
        return correct(ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    except Exception:  # noqa: BLE001
        return correct(ort.GraphOptimizationLevel.ORT_DISABLE_ALL)


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
    """The last line of what a tool says, without ONNX Runtime's preamble."""
    return "fails: " + re.sub(r".*(Status Message: |Error: | was false\. )", "", str(error).strip().splitlines()[-1])[:100]


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


def evaluated(args, source, precisions, settings, cache):
    """{precision: images that qsweep gets right} of one job."""
    job = {"model": str(source), "latency": {"source": "none"}, "quantization": settings, "data": {
               "calibration": {"format": "cifar10", "path": args.train, "images": CALIBRATION_IMAGES, "sampling": "first", "cache": str(cache)},
               "evaluation": {"format": "cifar10", "path": args.test}},
           "sensitivity": {"modes": [], "precisions": []}, "sweep": {"schemes": [f"*={p}" for p in precisions]}}
    with tempfile.TemporaryDirectory() as folder:
        path, run = pathlib.Path(folder, "job.yaml"), pathlib.Path(folder, "run")
        path.write_text(yaml.safe_dump(job))
        done = subprocess.run([args.qsweep, "sweep", path, "--out", run], capture_output=True, text=True)
        if done.returncode != 0:
            return dict.fromkeys(precisions, reason(done.stderr))
        with open(run / "outputs/sweep_index.csv") as file:
            found = {r["scheme"]: round(float(r["top1"]) * int(r["images"])) for r in csv.DictReader(file)}
        return {p: found[f"*={p}"] for p in precisions}


def own_cells(args, source, scratch, wanted):
    """(section, row, cell), rows with the same settings in one job."""
    jobs = {}
    for section, rows in SECTIONS.items():
        for row, precision, settings in rows:
            if wanted(section, row):
                jobs.setdefault(json.dumps(settings, sort_keys=True), []).append((section, row, precision))
    for settings, rows in jobs.items():
        found = evaluated(args, source, list(dict.fromkeys(p for _, _, p in rows)), json.loads(settings), scratch / "cache")
        for section, row, precision in rows:
            yield section, row, found[precision]


def peer_cells(args, source, scratch, wanted, calibration, images, labels):
    peers = list(onnxruntime_rows(source, scratch, ort.InferenceSession(source).get_inputs()[0].name, calibration))
    if args.modelopt:
        peers += peer_rows(args.modelopt, "peer_modelopt.py", "ModelOpt", ("int8 max", "int8 entropy", "int4 rtn_dq", "int4 awq_clip", "fp8 max"),
                           source, scratch, scratch / "calibration.npy")
    if args.inc:
        peers += peer_rows(args.inc, "peer_inc.py", "Neural Compressor", ("minmax", "kl", "percentile"), source, scratch, scratch / "calibration.npy")
    for row, make in peers:
        if not wanted("Other tools", row):
            continue
        try:
            made = str(make())
            yield "Other tools", row, f"{top1(made, images, labels)} ({coverage(made)})"
        except Exception as error:  # noqa: BLE001 - a peer's failure is a result
            yield "Other tools", row, reason(error)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("qsweep", "models_dir", "train", "test"):
        p.add_argument(name)
    p.add_argument("--models", default=",".join(MODELS))
    p.add_argument("--only", default="", help="rows whose name this regular expression finds")
    p.add_argument("--modelopt")
    p.add_argument("--inc")
    p.add_argument("--json", type=pathlib.Path)
    args = p.parse_args()
    args.train, args.test = (str(pathlib.Path(f).resolve()) for f in (args.train, args.test))

    kept, names = args.json, args.models.split(",")
    table = json.loads(kept.read_text()) if kept and kept.exists() else {}
    for model in names:
        source = (pathlib.Path(args.models_dir) / f"{model}.onnx").resolve()
        card = yaml.safe_load(source.with_suffix(".yaml").read_text())["input"]
        # The images qsweep takes with `sampling: first`: the same for every tool.
        calibration, _ = preprocessed(args.train, card, CALIBRATION_IMAGES)
        images, labels = preprocessed(args.test, card)

        def wanted(section, row, model=model):
            return re.search(args.only, row) and model not in table.get(section, {}).get(row, {})

        with tempfile.TemporaryDirectory() as folder:
            scratch = pathlib.Path(folder)
            np.save(scratch / "calibration.npy", calibration)
            for section, row, cell in itertools.chain(own_cells(args, source, scratch, wanted),
                                                      peer_cells(args, source, scratch, wanted, calibration, images, labels)):
                table.setdefault(section, {}).setdefault(row, {})[model] = cell
                print(f"{model}: {row}: {cell}", file=sys.stderr, flush=True)
                if kept:
                    kept.write_text(json.dumps(table, indent=1) + "\n")

    order = {section: [row for row, _, _ in rows] for section, rows in SECTIONS.items()}
    for section, rows in table.items():
        print(f"| {section} | " + " | ".join(names) + " |")
        print("| --- |" + " ---: |" * len(names))
        for row in sorted(rows, key=order.get(section, list(rows)).index):
            print(f"| {row} | " + " | ".join(str(rows[row].get(m, "")) for m in names) + " |")
        print()


if __name__ == "__main__":
    main()
