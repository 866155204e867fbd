#!/usr/bin/env python3
"""Peak resident memory of whole sweeps on two ranks: each rank, and the node.

  memory.py build/qsweep DATA_DIR [--json FILE]

DATA_DIR holds models/, cifar10/ and coco/. Each run ranks the layers at W4A8 and evaluates a nested family over 9 sizes.
Memory that ranks share (the program, mapped files, packed weights) counts in each; the node's is what both held
together at most, shared memory counted once, looked at ten times a second.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import runs

RANKS = 2
# Model, images, images a shard
CASES = [
    ("resnet8_cifar10", 1000, 250),
    ("resnet8_cifar10", 10000, 250),
    ("resnet56_cifar10", 500, 125),
    ("yolox_nano_coco", 16, 4),
    ("yolov5n_coco_416", 16, 4),
]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("qsweep")
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--json", type=pathlib.Path)
    args = p.parse_args()
    data = args.data.resolve()
    cifar = (f"format: cifar10, path: {data}/cifar10/train_4000.bin, images: 256", f"format: cifar10, path: {data}/cifar10/test_10000_jpegq75.bin")
    coco = (f"format: coco, path: '{data}/coco/train2017,{data}/coco/instances_train2017_64.json', images: 32, sampling: first",
            f"format: coco, path: '{data}/coco/val2017,{data}/coco/instances_val2017_128.json'")
    rows = []
    print("| model | layers | images | planned MiB | rank 0 MiB | rank 1 MiB | node MiB | seconds |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for name, images, shard in CASES:
            model = data / "models" / f"{name}.onnx"
            layers = len(runs.inspect(args.qsweep, model))
            sizes = sorted({round(layers * i / 8) for i in range(9)})
            text = runs.job(model, *(cifar if name.endswith("cifar10") else coco), images, shard, ["W4A8"],
                            f"{{families: [{{rest: W4A8, keep: W8A8, k: {sizes}}}]}}")
            run = runs.run(args.qsweep, text, pathlib.Path(folder, "run"), RANKS, watch_node=True)
            plan = subprocess.run([args.qsweep, "run", str(run.folder.parent / "job.yaml"), "--out", str(run.folder.parent / "plan"), "--dry-run", "--json"],
                                  check=True, capture_output=True).stdout
            planned = json.loads(plan)["peak_tensor_bytes_per_rank"] / 2**20
            rows.append({"model": name, "layers": layers, "images": images, "planned_mib": planned, "peak_mib": run.peak, "node_mib": run.node, "seconds": run.seconds})
            print(f"| {name} | {layers} | {images:,} | {planned:.0f} | {run.peak[0]:.0f} | {run.peak[1]:.0f} | {run.node:.0f} | {run.seconds:.1f} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
