#!/usr/bin/env python3
"""Layer-wise SQNR of a quantized classifier: `qsweep compare` beside ONNX Runtime's qdq_loss_debug.

  sqnr.py build/qsweep ORT_LOSS_DEBUG.py MODEL.onnx TRAIN.bin IMAGES.bin NORM [--images 256 10000] [--json FILE]

First both compute the SQNRs of two W8A8 files on the same 256 images: qsweep's export and the one that quantize_static
makes. Every tensor that both compare, local (before and after its Q/DQ pair) and accumulated (against the float model),
must agree within --tolerance dB before any time is reported. Then qsweep compares its own file on 256 and 10,000 images,
and ORT_LOSS_DEBUG.py runs as it is (it calibrates, quantizes and reads its own images) on 256. NORM is raw or imagenet,
as that program wants it. Prints Markdown tables.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import yaml

EQUALITY_IMAGES = 256
EXACT_DB = 200  # qdq_loss_debug puts a tiny number for no error; qsweep says null
SELF = os.path.abspath(__file__)


def prepared(model, out):
    """The model as ONNX Runtime's users prepare it: BatchNormalization folded. Scalar constants crash qdq_loss_debug at its
    end, so a Pad's explicit 0, which is its default, goes."""
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    folded = onnx.load(out)
    values = {t.name: t for t in folded.graph.initializer}
    for node in folded.graph.node:
        if node.op_type == "Pad" and len(node.input) > 2 and node.input[2]:
            zero = values[node.input[2]]
            assert onnx.numpy_helper.to_array(zero) == 0, f"{node.name} pads with something"
            del node.input[2:]
            if not any(zero.name in n.input for n in folded.graph.node):
                folded.graph.initializer.remove(zero)
    onnx.save(folded, out)


def preprocessed(card, path, count):
    raw = np.fromfile(path, np.uint8, count * 3073).reshape(-1, 3073)
    mean = np.array(card.get("mean", [0] * 3), np.float32).reshape(1, 3, 1, 1)
    std = np.array(card.get("std", [1] * 3), np.float32).reshape(1, 3, 1, 1)
    return (raw[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(card.get("scale", 1)) - mean) / std


def batches(name, images, size=32):
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter([{name: images[i : i + size]} for i in range(0, len(images), size)])

        def get_next(self):
            return next(self.rest, None)

    return Reader()


def qdq_loss_debug(float_model, quantized, images, scratch):
    """{tensor: {qdq_err, xmodel_err}} in dB."""
    import onnx
    from onnxruntime.quantization import qdq_loss_debug as debug

    name = onnx.load(float_model).graph.input[0].name
    found = []
    for i, model in enumerate((float_model, quantized)):
        augmented = scratch / f"augmented{i}.onnx"
        debug.modify_model_output_intermediate_tensors(str(model), str(augmented))
        found.append(debug.collect_activations(str(augmented), batches(name, images)))
    return debug.compute_activation_error(debug.create_activation_matching(found[1], found[0]))


def measured(command, cwd=None):
    """Runs a program alone. @return its stdout, wall seconds, CPU seconds, peak resident MiB"""
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, cwd=cwd)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            sys.exit(f"failed: {' '.join(map(str, command))}")
        out.seek(0)
        return out.read().decode(), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def child(argv):
    """The peer's numbers, in a process of their own: they take gigabytes."""
    float_model, quantized, card, data, count, scratch = argv
    card = yaml.safe_load(pathlib.Path(card).read_text())["input"]
    errors = qdq_loss_debug(float_model, quantized, preprocessed(card, data, int(count)), pathlib.Path(scratch))
    print(json.dumps(errors))


def quantize(argv):
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    model, out, card, data, count = argv
    import onnx

    card = yaml.safe_load(pathlib.Path(card).read_text())["input"]
    reader = batches(onnx.load(model).graph.input[0].name, preprocessed(card, data, int(count)))
    quantize_static(model, out, reader, quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("qsweep", "peer", "model", "train", "images_file", "norm"):
        p.add_argument(name)
    p.add_argument("--images", type=int, nargs="+", default=[256, 10000])
    p.add_argument("--tolerance", type=float, default=0.25)
    p.add_argument("--json")
    args = p.parse_args()
    card = str(pathlib.Path(args.model).with_suffix(".yaml"))
    preprocessing = yaml.safe_load(pathlib.Path(card).read_text())["input"]
    flags = []
    for key in ("scale", "mean", "std"):
        if key in preprocessing:
            value = preprocessing[key]
            flags += [f"--{key}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    report = {"model": pathlib.Path(args.model).stem, "tolerance_db": args.tolerance, "equality": {}, "runs": []}

    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        plain, ours, theirs = scratch / "float.onnx", scratch / "qsweep.onnx", scratch / "quantize_static.onnx"
        prepared(args.model, plain)
        subprocess.run([args.qsweep, "export", str(plain), "--scheme", "*=W8A8", "--calib", f"cifar10:{args.train}", "--calib-sampling", "first",
                        "--out", str(ours), *flags], check=True, capture_output=True)
        measured([sys.executable, SELF, "--quantize", str(plain), str(theirs), card, args.train, "256"])

        def compare(quantized, data, count):
            return measured([args.qsweep, "compare", str(plain), str(quantized), "--data", f"cifar10:{data}", "--limit", str(count), "--json", *flags])

        print(f"{report['model']}, {EQUALITY_IMAGES} images, SQNR by both programs, dB\n")
        print("| file | tensors | local, range | most apart | accumulated, range | most apart |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for file in (ours, theirs):
            document = json.loads(compare(file, args.train, EQUALITY_IMAGES)[0])
            peer = json.loads(measured([sys.executable, SELF, "--child", str(plain), str(file), card, args.train, str(EQUALITY_IMAGES), folder])[0])
            row = {"tensors": 0}
            for kind in ("qdq_err", "xmodel_err"):
                pairs = [(t[kind]["sqnr_db"], peer[t["tensor"]][kind]) for t in document["tensors"]
                         if t["quantized"] and kind in peer.get(t["tensor"], {})]
                row["tensors"] = len(pairs)
                exact = [(a is None, b > EXACT_DB) for a, b in pairs]
                assert all(a == b for a, b in exact), f"{file.name}: exact for one program only"
                row["exact"] = sum(a for a, _ in exact)
                pairs = [(a, b) for a, b in pairs if a is not None]
                row[kind] = {"low": min(a for a, _ in pairs), "high": max(a for a, _ in pairs), "most_apart": max(abs(a - b) for a, b in pairs)}
            row["quantized"] = sum(t["quantized"] for t in document["tensors"])
            report["equality"][file.stem] = row
            local, total = row["qdq_err"], row["xmodel_err"]
            print(f"| {file.stem} | {row['tensors']} of {row['quantized']} | {local['low']:.1f} to {local['high']:.1f} | {local['most_apart']:.4f} "
                  f"| {total['low']:.1f} to {total['high']:.1f} | {total['most_apart']:.4f} |", flush=True)
            if max(local["most_apart"], total["most_apart"]) > args.tolerance:
                sys.exit(f"{file.name}: the programs differ by more than {args.tolerance} dB")

        print("\n| program | images | seconds | CPU seconds | images/s | peak MiB |\n| --- | ---: | ---: | ---: | ---: | ---: |")

        def row(program, images, seconds, cpu, peak):
            report["runs"].append({"program": program, "images": images, "seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak})
            print(f"| {program} | {images:,} | {seconds:.1f} | {'' if cpu is None else f'{cpu:.1f}'} | {images / seconds:.0f} | {peak:,.0f} |", flush=True)

        for count in args.images:
            _, seconds, cpu, peak = compare(ours, args.images_file, count)
            row("qsweep compare", count, seconds, cpu, peak)
        # The peer's child says what its steps took: calibrating, quantizing and imports are in `whole` only.
        out, whole_seconds, whole_cpu, _ = measured([sys.executable, os.path.abspath(args.peer), str(plain), args.norm, str(EQUALITY_IMAGES)],
                                                    cwd=pathlib.Path(args.peer).resolve().parent)
        said = json.loads(out.strip().splitlines()[-1])
        if "error" in said:
            sys.exit(f"the peer failed: {said['error']}")
        report["peer"] = said | {"whole_seconds": whole_seconds, "whole_cpu_seconds": whole_cpu}
        row("qdq_loss_debug", EQUALITY_IMAGES, said["total_s"], None, said["peak_rss_mb"])
        print(f"\nThe whole qdq_loss_debug program, calibrating and quantizing included: {whole_seconds:.1f} s, {whole_cpu:.1f} CPU s. It holds "
              f"{said['mb_per_image']:.2f} MiB an image: {said['mb_per_image'] * max(args.images) / 1024:,.0f} GiB for {max(args.images):,}.")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    modes = {"--child": child, "--quantize": quantize}
    if len(sys.argv) > 1 and sys.argv[1] in modes:
        modes[sys.argv[1]](sys.argv[2:])
    else:
        main()
