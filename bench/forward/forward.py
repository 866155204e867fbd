#!/usr/bin/env python3
"""Images per second of one model: qsweep and ONNX Runtime in turns, one thread each, same images.

  forward.py build/qsweep MODEL.onnx IMAGES.bin [--calib TRAIN.bin] [--repeat 7]

Both start from the CIFAR-format file in memory and preprocess it; top-1 must agree on at least 99.9 % of images before
any time is reported. With --calib, 8 bits too: qsweep's W8A8 and the file that quantize_static makes (QDQ, U8 inputs,
S8 weights per channel, min-max over 256 images), run with all optimizations; each has its own ranges and quantizers,
so their top-1 must agree on 95 %. Prints one JSON line: medians, MADs, ratios.
"""
import argparse
import json
import pathlib
import shutil
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


def quantized_file(model, name, images):
    """The model as ONNX Runtime's quantize_static makes it, as bytes."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter([{name: images[i : i + 16]} for i in range(0, len(images), 16)])

        def get_next(self):
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder:
        source = shutil.copy(model, folder)  # quantize_static writes beside its input
        made = pathlib.Path(folder, "int8.onnx")
        quantize_static(source, made, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        return made.read_bytes()


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

    def open_session(model):
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    session = open_session(args.model)
    name = session.get_inputs()[0].name

    def preprocess(records):
        x = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)
        return (x / np.float32(card["scale"]) - mean) / std

    def run_ort(session):
        start = time.perf_counter()
        top = []
        for i in range(0, len(raw), BATCH):
            top.append(session.run(None, {name: preprocess(raw[i : i + BATCH])})[0].argmax(1))
        return time.perf_counter() - start, np.concatenate(top)

    def run_qsweep(scheme=()):
        with tempfile.NamedTemporaryFile(suffix=".csv") as csv:
            command = [args.qsweep, "eval", args.model, "--threads", "1", "--data", f"cifar10:{args.images}", "--json", "--predictions", csv.name, *scheme]
            out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            return out["seconds"], np.loadtxt(csv.name, delimiter=",", skiprows=1, usecols=2, dtype=int)

    times = {"onnxruntime": [], "qsweep": []}
    if args.calib:
        scheme = ("--scheme", "*=W8A8", "--calib", f"cifar10:{args.calib}")
        calibration = preprocess(np.fromfile(args.calib, np.uint8).reshape(-1, 3073)[:256])
        int8 = open_session(quantized_file(args.model, name, calibration))
        times |= {"onnxruntime_int8": [], "qsweep_w8a8": []}
    for _ in range(args.repeat):
        seconds, ours = run_qsweep()
        times["qsweep"].append(seconds)
        theirs_seconds, theirs = run_ort(session)
        times["onnxruntime"].append(theirs_seconds)
        assert (ours == theirs).mean() >= 0.999, "predictions differ"
        if args.calib:
            # Less the float pass, the baseline that every drop is measured against.
            both, ours = run_qsweep(scheme)
            times["qsweep_w8a8"].append(both - seconds)
            theirs_seconds, theirs = run_ort(int8)
            times["onnxruntime_int8"].append(theirs_seconds)
            assert (ours == theirs).mean() >= 0.95, "predictions at 8 bits differ"
    report = {"model": pathlib.Path(args.model).stem, "images": len(raw), "repeat": args.repeat}
    for key, values in times.items():
        middle, mad = median_mad([len(raw) / v for v in values])
        report[key + "_images_per_s"] = round(middle)
        report[key + "_mad"] = round(mad)
    report["ratio"] = round(report["qsweep_images_per_s"] / report["onnxruntime_images_per_s"], 3)
    if args.calib:
        report["ratio_int8"] = round(report["qsweep_w8a8_images_per_s"] / report["onnxruntime_int8_images_per_s"], 3)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
