"""Exported files in ONNX Runtime against qsweep's own predictions of the same schemes.

For every scheme: `qsweep export`, onnx.checker (full), ONNX Runtime with graph optimizations off and on, and
`qsweep eval --predictions`. The table gives the images on which the class differs, and the difference of the margins
(highest minus second score) relative to the largest score of the set: median, 99.9 %, maximum, share within 1e-3.
Where sums are taken in another order and that puts an activation on the other side of a rounding boundary, the next
layers see another code: README.md beside this file says where and how often.
With --check it fails when the class differs on more than 0.1 % of the images (one image is always allowed) or the
median exceeds 1e-3, with optimizations off; with --strict when any image exceeds 1e-3.

  python bench/export/agreement.py --qsweep build/qsweep --random 20 MODEL.onnx,TEST.bin,TRAIN.bin ...
"""
import argparse
import csv
import json
import pathlib
import random
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
import yaml

UNIFORM = ["FP32", "W8A8", "W8A16", "W4A16", "W4A16:g32", "W4A8", "W4A8F", "W8FA8F", "FP16", "BF16"]
MIXED = ["FP32", "FP16", "W8A8", "W8A16", "W4A16", "W4A8", "W4A8F", "W8FA8F", "W4A16:g32"]
ALLOWED, MARGIN = 0.001, 1e-3


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.splitlines()[-1])
    return done.stdout


def images(model, data, limit):
    """Preprocessed as the YAML beside the model says, every step rounded to float32."""
    spec = yaml.safe_load(model.with_suffix(".yaml").read_text())["input"]
    records = np.fromfile(data, np.uint8).reshape(-1, 3073)[: limit or None]
    x = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(spec["scale"])
    mean, std = (np.float32(spec[k]).reshape(1, -1, 1, 1) for k in ("mean", "std"))
    return (x - mean) / std


def scores(path, x, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[i : i + 16]})[0] for i in range(0, len(x), 16)])


def compare(out, top1, margin):
    """Against the engine: images of another class with their margins here, and quantiles of the relative difference."""
    ordered = np.sort(out, axis=1)
    mine = ordered[:, -1] - ordered[:, -2]
    error = np.abs(mine - margin) / np.abs(out).max()
    other = out.argmax(1) != top1
    return {"differ": int(other.sum()), "differ_margins": [float(m / np.abs(out).max()) for m in mine[other]],
            "median": float(np.median(error)), "p999": float(np.quantile(error, 0.999)), "max": float(error.max()),
            "within": float((error <= MARGIN).mean())}


def random_schemes(layers, count, seed):
    rng = random.Random(seed)
    return [";".join(f'"{name}"={rng.choice(MIXED)}' for name in layers) for _ in range(count)]


def measure(args, model, test, train, x, name, text, cache):
    """One row: export, check, run in ONNX Runtime, compare with `qsweep eval`."""
    with tempfile.TemporaryDirectory() as folder:
        file, predictions = pathlib.Path(folder, "scheme.onnx"), pathlib.Path(folder, "predictions.csv")
        options = ["--scheme", text, "--calib", f"cifar10:{train}", "--calib-images", args.calib_images,
                   "--cache", cache, "--json", *args.weights.split()]
        said = json.loads(call(args.qsweep, "export", model, *options, "--out", file, "--format", args.format,
                               *(["--int4-as-int8"] if args.int4_as_int8 else [])))
        judged = json.loads(call(args.qsweep, "eval", model, *options, "--data", f"cifar10:{test}", "--limit",
                                 args.limit, "--predictions", predictions))
        assert said["scheme_id"] == judged["scheme_id"], (said, judged)
        onnx.checker.check_model(str(file), full_check=True)
        rows = list(csv.DictReader(predictions.open()))
        top1 = np.array([int(r["top1"]) for r in rows])
        margin = np.array([float(r["margin"]) for r in rows])
        row = {"model": model.stem, "scheme": name, "text": text, "opset": said["opset"], "bytes": said["bytes"],
               "images": len(x), "off": compare(scores(file, x, ort.GraphOptimizationLevel.ORT_DISABLE_ALL), top1, margin)}
        try:
            row["on"] = compare(scores(file, x, ort.GraphOptimizationLevel.ORT_ENABLE_ALL), top1, margin)
        except Exception as e:  # ONNX Runtime's optimizer makes nodes of FP8 that it then refuses
            row["on"] = {"refused": type(e).__name__}
        return row


def totals(rows):
    """Per model and for all: images of another class, and how many differences lie within 1e-3."""
    for model in [*dict.fromkeys(r["model"] for r in rows), "all"]:
        mine = [r for r in rows if model in (r["model"], "all")]
        images = sum(r["images"] for r in mine)
        differ = sum(r["off"]["differ"] for r in mine)
        within = sum(r["off"]["within"] * r["images"] for r in mine)
        print(f"{model}: {len(mine)} schemes, {images} images, {differ} differ ({100 - 100 * differ / images:.3f} % agree), "
              f"{100 * within / images:.1f} % within {MARGIN:g}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--qsweep", required=True)
    parser.add_argument("--random", type=int, default=3, help="random mixed schemes per model")
    parser.add_argument("--uniform", nargs="*", default=UNIFORM)
    parser.add_argument("--limit", type=int, default=0, help="images (0: all)")
    parser.add_argument("--calib-images", type=int, default=256)
    parser.add_argument("--int4-as-int8", action="store_true")
    parser.add_argument("--format", default="qdq")
    parser.add_argument("--weights", default="", metavar="OPTIONS",
                        help="options of both commands: '--algorithm awq_full --bias-correction'")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--rows", type=pathlib.Path, help="keep the rows in this JSON file; what it holds is not run again")
    parser.add_argument("workloads", nargs="+", metavar="MODEL,TEST,TRAIN")
    args = parser.parse_args()
    failed, rows = [], []
    if args.rows and args.rows.exists():
        rows = json.loads(args.rows.read_text())
    known = {(r["model"], r["scheme"]): r for r in rows}
    print(f"{'model':16} {'scheme':10} {'opset':>5} {'bytes':>8} {'images':>6} {'differ':>6} {'median':>8} {'p99.9':>8} "
          f"{'max':>8} {'<=1e-3':>6} | optimized: {'differ':>6} {'median':>8}")
    for workload in args.workloads:
        model, test, train = map(pathlib.Path, workload.split(","))
        x = images(model, test, args.limit)
        layers = [row["name"] for row in json.loads(call(args.qsweep, "inspect", model, "--json"))["layers"]]
        schemes = [(name, "*=" + name) for name in args.uniform]
        schemes += [(f"mixed {i}", text) for i, text in enumerate(random_schemes(layers, args.random, 42))]
        with tempfile.TemporaryDirectory() as folder:
            for name, text in schemes:
                row = known.get((model.stem, name))
                if row is None:
                    row = measure(args, model, test, train, x, name, text, pathlib.Path(folder, "calibration"))
                    rows.append(row)
                    if args.rows:
                        args.rows.write_text(json.dumps(rows, indent=1))
                off, on = row["off"], row["on"]
                good = off["differ"] <= max(1, ALLOWED * row["images"]) and off["max" if args.strict else "median"] <= MARGIN
                other = f"{'refused':>17}" if "refused" in on else f"{on['differ']:17} {on['median']:8.1e}"
                print(f"{model.stem[:16]:16} {name:10} {row['opset']:5} {row['bytes']:8} {row['images']:6} {off['differ']:6} "
                      f"{off['median']:8.1e} {off['p999']:8.1e} {off['max']:8.1e} {off['within']:6.3f} | {other}"
                      f"{'' if good else '  <<'}", flush=True)
                if not good:
                    failed.append(f"{model.stem} {name}")
    totals(rows)
    if args.check and failed:
        raise SystemExit("too far from qsweep's own predictions: " + ", ".join(failed))


main()
