#!/usr/bin/env python3
"""Images per second of any float model, qsweep and ONNX Runtime in turns, one thread each, batch 1, one random image.

  smoke.py build/qsweep MODEL.onnx [--repeat 10] [--rounds 3]

For models without data, such as tests/e2e/make_yolov10m.py's. Outputs must agree within 1e-3 of the largest magnitude
before any time is reported. Prints one JSON line with the best round of each.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime as ort


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("qsweep")
    p.add_argument("model")
    p.add_argument("--repeat", type=int, default=10)
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    x = np.random.default_rng(42).standard_normal([d if isinstance(d, int) else 1 for d in entry.shape]).astype(np.float32)
    expected = session.run(None, {entry.name: x})
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        np.save(f"{scratch}/x.npy", x)
        for _ in range(args.rounds):
            command = [args.qsweep, "--json", "smoke", args.model, "--input", f"{entry.name}={scratch}/x.npy", "--out", scratch, "--repeat", str(args.repeat)]
            ours.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["median_ms"])
            for meta, want in zip(session.get_outputs(), expected):
                got = np.load(f"{scratch}/{meta.name.replace('/', '_')}.npy")
                assert np.abs(got - want).max() <= 1e-3 * np.abs(want).max(), meta.name
            times = []
            for _ in range(args.repeat):
                start = time.perf_counter()
                session.run(None, {entry.name: x})
                times.append(1e3 * (time.perf_counter() - start))
            theirs.append(sorted(times)[len(times) // 2])
    a, b = 1e3 / min(ours), 1e3 / min(theirs)
    print(json.dumps({"model": pathlib.Path(args.model).name, "qsweep_images_per_s": round(a, 2), "onnxruntime_images_per_s": round(b, 2), "ratio": round(a / b, 3)}))


if __name__ == "__main__":
    main()
