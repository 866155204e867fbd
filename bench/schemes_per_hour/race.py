#!/usr/bin/env python3
"""Schemes per hour on nested top-K families with the sensitivity pass, or on a whole space: qsweep on two ranks against
the Python loop.

  race.py build/qsweep PEER_LOOP.py MODEL.onnx IMAGES.bin TRAIN.bin NORM N_IMAGES [--turns 3]

The loop is run as it is in its "fast" form with two worker processes. Start-up, calibration and every image are
counted on both sides: of qsweep the time of the whole command; of the loop, which runs some of as many schemes, the time
of its command with the schemes' part scaled up to all of them. qsweep's latency stage is off (the loop has none). Before
any rate is printed, the float model must be right on as many of the loop's images as qsweep says, give or take one in a
thousand; bench/export compares what mixed schemes compute.
"""
import argparse
import csv
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

FAMILIES = [("W4A8F", "FP16"), ("W4A16", "W8A8"), ("W4A8", "W8A8")]
INTEGER = FAMILIES[2:]


def qsweep_turn(args, job, scratch, turn):
    out = scratch / f"run{turn}"
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    start = time.perf_counter()
    subprocess.run(["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-n", "2", args.qsweep, "run", str(job), "--out", str(out)],
                   check=True, capture_output=True)
    seconds = time.perf_counter() - start
    schemes = json.loads((out / "outputs" / "sweep_index.json").read_text())["successes"]
    with open(out / "outputs" / "sweep_index.csv", newline="") as index:
        count = len({row["scheme_id"] for row in csv.DictReader(index)})  # a scheme that two stages list is evaluated once
    top1 = next(s["top1"] for s in schemes if s["name"] == "FP32")
    return count / seconds * 3600, count, top1


def loop_turn(args, count):
    """Schemes an hour of the loop over `count` schemes."""
    start = time.perf_counter()
    text = subprocess.run([sys.executable, args.peer, "--model", args.model, "--data", args.images, "--norm", args.norm, "--images", str(args.n),
                           "--schemes", str(args.peer_schemes), "--variant", "fast", "--workers", "2", "--batch", "64"],
                          check=True, capture_output=True, text=True).stdout
    elapsed = time.perf_counter() - start
    schemes = json.loads(text.strip().splitlines()[-1])["wall_s"]
    return count / (elapsed - schemes + schemes * count / args.peer_schemes) * 3600


def top1_of_float(args):
    """Of the float model in ONNX Runtime on the images as the loop reads them."""
    import onnxruntime as ort

    spec = importlib.util.spec_from_file_location("peer", args.peer)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    session = ort.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    x, labels = peer.load_data(args.images, args.n, args.norm, "nchw")
    name = session.get_inputs()[0].name
    right = sum(int((session.run(None, {name: x[i : i + 64]})[0].argmax(1) == labels[i : i + 64]).sum()) for i in range(0, args.n, 64))
    return right / args.n


def main():
    p = argparse.ArgumentParser()
    for name in ("qsweep", "peer", "model", "images", "train", "norm"):
        p.add_argument(name)
    p.add_argument("n", type=int)
    p.add_argument("--turns", type=int, default=3)
    p.add_argument("--peer-schemes", type=int, default=16, help="how many the loop runs")
    p.add_argument("--integer", action="store_true", help="only the family whose layers all compute on integers")
    p.add_argument("--exhaustive", action="store_true", help="every assignment of W8A8, W4A8 and W4A16 instead of families")
    p.add_argument("--mode", default="only", choices=["only", "all_but"], help="single-layer runs: one layer quantized, or all but one")
    p.add_argument("--base", default="FP32", help="precision of the other layers in single-layer runs")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        precisions = "W8A8, W4A8" if args.integer else "W8A8, W4A16, W4A8"
        families = INTEGER if args.integer else FAMILIES
        if args.exhaustive:
            sensitivity = "{precisions: []}"
            sweep = "  search: {method: exhaustive, precisions: [W8A8, W4A8, W4A16]}"
        else:
            sensitivity = f"{{precisions: [{precisions}], modes: [{args.mode}], base: {args.base}}}"
            sweep = "\n".join(["  families:"] + [f"    - {{rest: {r}, keep: {k}, k: every}}" for r, k in families])
        job = scratch / "job.yaml"
        job.write_text(f"""model: {os.path.abspath(args.model)}
data:
  calibration: {{format: cifar10, path: {os.path.abspath(args.train)}, images: 256, sampling: stratified}}
  evaluation: {{format: cifar10, path: {os.path.abspath(args.images)}, images: {args.n}, shard: 500}}
sensitivity: {sensitivity}
sweep:
{sweep}
latency: {{source: none}}
activations: {{images: 0}}
""")
        ours, theirs, count = [], [], 0
        expected = top1_of_float(args)
        for turn in range(args.turns):
            rate, count, top1 = qsweep_turn(args, job, scratch, turn)
            assert abs(top1 - expected) <= 0.001, f"the float model: {top1} by qsweep, {expected} by ONNX Runtime"
            ours.append(rate)
            theirs.append(loop_turn(args, count))
        print(json.dumps({"model": pathlib.Path(args.model).stem, "images": args.n, "schemes": count, "turns": args.turns,
                          "qsweep_schemes_per_hour": round(statistics.median(ours)), "loop_schemes_per_hour": round(statistics.median(theirs)),
                          "ratio": round(statistics.median(ours) / statistics.median(theirs), 2),
                          "qsweep_all": [round(v) for v in ours], "loop_all": [round(v) for v in theirs], "ratios": [round(a / b, 2) for a, b in zip(ours, theirs)]}))


if __name__ == "__main__":
    main()
