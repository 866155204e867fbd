"""What each weight algorithm is worth: correct images and mean KL of the outputs, by format and model.

  python bench/algorithms/table.py --qsweep build/qsweep --train TRAIN.bin --test TEST.bin MODEL.onnx ...
"""
import argparse
import json
import pathlib
import subprocess
import sys
import time

BIAS = "--bias-correction"
EVERYWHERE = [("rtn", []), ("mse", []), ("rtn, bias", [BIAS])]
AWQ = [(a, []) for a in ("awq_lite", "awq_clip", "awq_full")] + [("awq_full, bias", [BIAS])]
SMOOTH = [("smoothquant", []), ("smoothquant auto", ["--smoothquant-alpha", "auto"]),
          ("smoothquant auto, bias", ["--smoothquant-alpha", "auto", BIAS])]
TABLE = {"W8A8": EVERYWHERE + SMOOTH, "W4A16": EVERYWHERE + AWQ, "W4A16:g32": EVERYWHERE + AWQ,
         "W4A8": EVERYWHERE + AWQ + SMOOTH}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--qsweep", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--calib-images", default="256")
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()

    def evaluate(model, *options):
        start = time.monotonic()
        done = subprocess.run([args.qsweep, "eval", model, "--data", f"cifar10:{args.test}", "--calib",
                               f"cifar10:{args.train}", "--calib-images", args.calib_images, "--json", *options],
                              capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout), time.monotonic() - start

    names = [pathlib.Path(model).stem for model in args.models]
    found = {}
    for model, name in zip(args.models, names):
        said, seconds = evaluate(model)
        found[name, "FP32", ""] = f"{said['top1_correct']} of {said['images']}"
        for precision, algorithms in TABLE.items():
            for label, options in algorithms:
                algorithm = label.replace(",", " ").split()[0]
                said, seconds = evaluate(model, "--scheme", f"*={precision}", "--algorithm", algorithm, *options)
                found[name, precision, label] = f"{said['top1_correct']}, {said['kl']:.5f}"
                print(name, precision, label, found[name, precision, label], f"{seconds:.1f} s", file=sys.stderr)
    print("| format | algorithm |", " | ".join(names), "|\n| --- | --- |" + " ---: |" * len(names))
    for precision, label in [("FP32", ""), *((p, label) for p, rows in TABLE.items() for label, _ in rows)]:
        print(f"| {precision} | {label} |", " | ".join(found[name, precision, label] for name in names), "|")


main()
