#!/usr/bin/env python3
"""Images per second of the float model: qsweep and ONNX Runtime in turns, one thread each, same images.

  forward.py build/qsweep MODEL.onnx IMAGES.bin [--calib TRAIN.bin] [--repeat 7]

Both start from the CIFAR-format file in memory and preprocess it; top-1 must agree on at least 99.9 % of images before
any time is reported. With --calib, qsweep's W8A8 is timed as well. Prints one JSON line: medians, MADs, ratio.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime as ort
import yaml

BATCH = 64  # ONNX Runtime's; qsweep uses its own default


def median_mad(values):
    middle = statistics.median(values)
    return middle, statistics.median(abs(v - middle) for v in values)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("qsweep")
    p.add_argument("model")
    p.add_argument("images")
    p.add_argument("--calib")
    p.add_argument("--repeat", type=int, default=7)
    args = p.parse_args()

    card = yaml.safe_load(pathlib.Path(args.model).with_suffix(".yaml").read_text())["input"]
    raw = np.fromfile(args.images, np.uint8).reshape(-1, 3073)
    mean = np.array(card["mean"], np.float32).reshape(1, 3, 1, 1)
    std = np.array(card["std"], np.float32).reshape(1, 3, 1, 1)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run_ort():
        start = time.perf_counter()
        top = []
        for i in range(0, len(raw), BATCH):
            x = raw[i : i + BATCH, 1:].reshape(-1, 3, 32, 32).astype(np.float32)
            x = (x / np.float32(card["scale"]) - mean) / std
            top.append(session.run(None, {name: x})[0].argmax(1))
        return time.perf_counter() - start, np.concatenate(top)

    def run_qsweep(scheme=()):
        with tempfile.NamedTemporaryFile(suffix=".csv") as csv:
            command = [args.qsweep, "eval", args.model, "--data", f"cifar10:{args.images}", "--json", "--predictions", csv.name, *scheme]
            out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            return out["seconds"], np.loadtxt(csv.name, delimiter=",", skiprows=1, usecols=2, dtype=int)

    quantized = ("--scheme", "*=W8A8", "--calib", f"cifar10:{args.calib}") if args.calib else None
    times = {"onnxruntime": [], "qsweep": [], "qsweep_w8a8": []}
    for _ in range(args.repeat):
        seconds, ours = run_qsweep()
        times["qsweep"].append(seconds)
        theirs_seconds, theirs = run_ort()
        times["onnxruntime"].append(theirs_seconds)
        assert (ours == theirs).mean() >= 0.999, "predictions differ"
        if quantized:  # includes one float pass, the baseline that every drop is measured against
            times["qsweep_w8a8"].append(run_qsweep(quantized)[0] - statistics.median(times["qsweep"]))
    report = {"model": pathlib.Path(args.model).stem, "images": len(raw), "repeat": args.repeat}
    for key, values in times.items():
        if values:
            middle, mad = median_mad([len(raw) / v for v in values])
            report[key + "_images_per_s"] = round(middle)
            report[key + "_mad"] = round(mad)
    report["ratio"] = round(report["qsweep_images_per_s"] / report["onnxruntime_images_per_s"], 3)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
