#!/usr/bin/env python3
"""What a run costs against layers, schemes, images and ranks, beside the work that its tries of schemes count.

  growth.py build/qsweep MODELS_DIR TRAIN.bin IMAGES.bin [--json FILE]

First: the front of one and of two ranks is equal byte by byte, and schemes evaluated alone, which have nothing to share,
give the predictions that they gave in the sweep. Then a run for each point: random schemes (each layer W8A8 or W4A8,
seed 42) or nested ones (W4A8, the k most sensitive layers W8A8, every k; the pass that ranks them counts), and a line
through seconds against work. Prints Markdown tables.
"""
import argparse
import dataclasses
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import h5py
import numpy as np

import runs

SHARD = 250


@dataclasses.dataclass
class Point:
    model: str
    schemes: object  # how many random ones, or "nested"
    images: int
    ranks: int = 1


POINTS = [
    *(Point(m, "nested", 1000) for m in ("resnet8", "resnet20")),
    *(Point("resnet56", "nested", n) for n in (250, 500)),
    *(Point("resnet8", "nested", n) for n in (500, 2000, 5000, 10000)),
    *(Point("resnet20", s, 1000) for s in (8, 16, 32, 64, 128)),
    *(Point(m, 32, 1000) for m in ("resnet8", "resnet56")),
    *(Point("resnet8", "nested", n, 2) for n in (1000, 5000)),
    Point("resnet20", 64, 1000, 2),
    Point("resnet56", 32, 1000, 2),
]


def job_of(args, point):
    model = args.models / f"{point.model}_cifar10.onnx"
    if point.schemes == "nested":
        sensitivity, sweep = ["W4A8"], "{families: [{rest: W4A8, keep: W8A8, k: every}]}"
    else:
        draw, layers = random.Random(42), runs.inspect(args.qsweep, model)
        texts = ["; ".join(["*=W4A8"] + [f"{name}=W8A8" for name in layers if draw.random() < 0.5]) for _ in range(point.schemes)]
        sensitivity, sweep = [], "{schemes: [" + ", ".join(f'"{t}"' for t in texts) + "]}"
    return runs.job(model, f"format: cifar10, path: {args.train.resolve()}, images: 256", f"format: cifar10, path: {args.images.resolve()}",
                    point.images, min(SHARD, point.images // point.ranks), sensitivity, sweep)


def check_equal(args, scratch):
    """One rank, two ranks, and schemes by themselves."""
    for schemes in ("nested", 16):
        one, two = (runs.run(args.qsweep, job_of(args, Point("resnet8", schemes, 1000)), scratch / f"equal-{n}", n).folder for n in (1, 2))
        for name in ("pareto.csv", "pareto.json", "outputs/per_class.csv"):
            assert (one / name).read_bytes() == (two / name).read_bytes(), f"{name} depends on the ranks"
        with h5py.File(one / "sweep.h5") as a, h5py.File(two / "sweep.h5") as b:
            assert (a["predictions"][...] == b["predictions"][...]).all(), "predictions depend on the ranks"
            texts, predictions = a["schemes/text"].asstr()[...], a["predictions"][...]
        mixed = [i for i in range(len(texts)) if ";" in texts[i]]
        alone = mixed[:: max(1, len(mixed) // 4)][:4]
        for i in alone:
            csv = scratch / "alone.csv"
            subprocess.run([args.qsweep, "eval", args.models / "resnet8_cifar10.onnx", "--data", f"cifar10:{args.images}", "--limit", "1000", "--calib",
                            f"cifar10:{args.train}", "--scheme", texts[i], "--predictions", csv], check=True, capture_output=True)
            assert (np.loadtxt(csv, delimiter=",", skiprows=1, usecols=2, dtype=int) == predictions[i]).all(), f"{texts[i]} alone predicts otherwise"
        print(f"{schemes} schemes of resnet8, 1,000 images: one and two ranks equal, {len(alone)} schemes alone predict what they did in the sweep")


def measure(args, scratch, point):
    run = runs.run(args.qsweep, job_of(args, point), scratch / "run", point.ranks)
    with h5py.File(run.folder / "sweep.h5") as f:
        layers, tasks = len(f["layers/name"]), f["tasks"]
        work, alone = float(tasks["work"][...].sum()), float(tasks["work_without_reuse"][...].sum())
        evaluations = sum(status == "ok" for status in f["schemes/status"].asstr()[...]) + len(f["sensitivity/layer"])
        evaluating = float(tasks["seconds"][...][tasks["work"][...] > 0].sum())
    return {**dataclasses.asdict(point), "layers": layers, "evaluations": evaluations, "seconds": run.seconds, "cpu_seconds": sum(run.cpu),
            "evaluating_seconds": evaluating, "work": work, "work_without_reuse": alone, "reused": 1 - work / alone, "peak_mib": run.peak}


def fit(rows, key):
    """Least squares of relative errors: seconds = start + slope * work."""
    work, seconds = (np.array([r[k] for r in rows]) for k in ("work", key))
    start, slope = np.linalg.lstsq(np.stack([1 / seconds, work / seconds], 1), np.ones(len(rows)), rcond=None)[0]
    errors = (start + slope * work) / seconds - 1
    return {"start_s": start, "s_per_tera": slope * 1e12, "rms_error": float(np.sqrt((errors**2).mean())), "worst_error": float(np.abs(errors).max()), "points": len(rows)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("qsweep")
    for name in ("models", "train", "images"):
        p.add_argument(name, type=pathlib.Path)
    p.add_argument("--json", type=pathlib.Path)
    args = p.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        check_equal(args, scratch)
        print("\n| model | layers | schemes | evaluations | images | ranks | seconds | CPU s | work, 10⁹ | alone, 10⁹ | reused | CPU s per 10¹² | MiB by rank | node |")
        print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for point in POINTS:
            r = measure(args, scratch, point)
            rows.append(r)
            kind = point.schemes if point.schemes == "nested" else f"{point.schemes} random"
            print(f"| {point.model} | {r['layers']} | {kind} | {r['evaluations']} | {point.images:,} | {point.ranks} | {r['seconds']:.1f} | {r['cpu_seconds']:.1f} "
                  f"| {r['work'] / 1e9:,.0f} | {r['work_without_reuse'] / 1e9:,.0f} | {100 * r['reused']:.0f} % | {r['cpu_seconds'] / r['work'] * 1e12:.1f} "
                  f"| {' + '.join(f'{m:.0f}' for m in r['peak_mib'])} | {sum(r['peak_mib']):.0f} |", flush=True)
    one = [r for r in rows if r["ranks"] == 1]
    sets = {"resnet8": [r for r in one if r["model"] == "resnet8"], "resnet20": [r for r in one if r["model"] == "resnet20"],
            "resnet56": [r for r in one if r["model"] == "resnet56"], "all": one}
    fits = {name: {key: fit(some, key) for key in ("seconds", "cpu_seconds", "evaluating_seconds")} for name, some in sets.items()}
    print("\n| one rank: seconds = start + slope × work | points | start s | slope, s per 10¹² | RMS error | worst |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, by_key in fits.items():
        for key, f in by_key.items():
            print(f"| {name}, {key.replace('_', ' ')} | {f['points']} | {f['start_s']:.2f} | {f['s_per_tera']:.1f} | {100 * f['rms_error']:.0f} % | {100 * f['worst_error']:.0f} % |")
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "fits": fits}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
