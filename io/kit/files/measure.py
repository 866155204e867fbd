#!/usr/bin/env python3
"""Times the model files of this kit with ONNX Runtime, on the device where they will run.

    python3 measure.py [--threads 1] [--rounds 10] [--out measurements.json]

Needs NumPy and onnxruntime. Rounds go through all files in turn, so that a device that slows down
slows all of them. Each file's answers on the kit's images are compared with those that qsweep
predicted, and one more session of each uniform file is profiled, kernel by kernel. The result is
one JSON file for `qsweep latency DIR --import measurements.json`.
"""
import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time

import numpy as np
import onnxruntime as ort

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
         "tensor(uint8)": np.uint8}


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith(("model name", "Model")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def open_session(path, options, profile_prefix=None):
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    if profile_prefix:
        settings.enable_profiling = True
        settings.profile_file_prefix = profile_prefix
    return ort.InferenceSession(path, settings, providers=[options.provider])


def feed(session, images, batch):
    """The session's input: `batch` images, or as many as the file fixes, in the type it wants."""
    wanted = session.get_inputs()[0]
    count = wanted.shape[0] if isinstance(wanted.shape[0], int) else batch
    index = np.arange(count) % len(images)
    return {wanted.name: np.ascontiguousarray(images[index], TYPES[wanted.type])}


def answers(session, images, batch):
    """Outputs of all images, as many at a time as the file takes; the last ones fill up."""
    step = len(next(iter(feed(session, images, batch).values())))
    parts = []
    for begin in range(0, len(images), step):
        index = np.arange(begin, begin + step) % len(images)
        parts.append(session.run(None, feed(session, images[index], step)))
    return [np.concatenate(part)[:len(images)].astype(np.float32) for part in zip(*parts)]


def check(session, model, images, batch):
    """How far the answers are from the predicted ones. Classes where an output is a row of scores."""
    same = np.ones(len(images), bool)
    largest = 0.0
    predicted = [np.load(os.path.join(HERE, name)) for name in model["predictions"]]
    for found, wanted in zip(answers(session, images, batch), predicted):
        difference = np.abs(found - wanted).reshape(len(images), -1).max(axis=1)
        largest = max(largest, float(difference.max()))
        if wanted.ndim == 2 and wanted.shape[1] > 1:
            same &= found.argmax(axis=1) == wanted.argmax(axis=1)
        else:
            same &= difference <= 0.01 * np.abs(wanted).max()
    return {"images": len(images), "agreement": float(same.mean()), "largest_difference": largest}


def profile(path, options, images):
    """Milliseconds of each kernel in a call: the median over the calls."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(path, options, os.path.join(folder, "profile"))
        inputs = feed(session, images, options.batch)
        for _ in range(options.calls):
            session.run(None, inputs)
        with open(session.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
    times, ops = {}, {}
    for event in events:
        name = event["name"]
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            name = name[:-len("_kernel_time")]
            times.setdefault(name, []).append(event["dur"] / 1000)
            ops[name] = event["args"].get("op_name", "")
    per_call = {name: max(1, round(len(t) / options.calls)) for name, t in times.items()}
    return [{"name": name, "op": ops[name], "ms": statistics.median(t) * per_call[name]}
            for name, t in times.items()]


def main():
    with open(os.path.join(HERE, "kit.json"), encoding="utf-8") as file:
        kit = json.load(file)
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--threads", type=int, default=1, help="of a call (default 1)")
    arguments.add_argument("--batch", type=int, default=kit["batch"], help="images per call")
    arguments.add_argument("--rounds", type=int, default=10, help="through all files (default 10)")
    arguments.add_argument("--calls", type=int, default=20, help="per file and round (default 20)")
    arguments.add_argument("--warm-up-ms", type=float, default=200, help="untimed work of each file")
    arguments.add_argument("--provider", default="CPUExecutionProvider")
    arguments.add_argument("--out", default="measurements.json")
    options = arguments.parse_args()
    ort.set_default_logger_severity(3)
    images = np.load(os.path.join(HERE, kit["images"]))

    results, running = [], []
    for model in kit["models"]:
        result = {"scheme_id": model["scheme_id"], "scheme": model["scheme"]}
        results.append(result)
        path = os.path.join(HERE, model["file"])
        try:
            session = open_session(path, options)
            inputs = feed(session, images, options.batch)
            result["check"] = check(session, model, images, options.batch)
            start = time.perf_counter()
            while (time.perf_counter() - start) * 1000 < options.warm_up_ms:
                session.run(None, inputs)
            result["kernels"] = profile(path, options, images) if model["profile"] else []
        except Exception as error:  # a file that this device cannot run is a result too
            result["error"] = " ".join(str(error).split())[:300]
            continue
        running.append((session, inputs, result, []))
    for number in range(options.rounds):
        for session, inputs, _, times in running:
            session.run(None, inputs)
            for _ in range(options.calls):
                start = time.perf_counter()
                session.run(None, inputs)
                times.append((time.perf_counter() - start) * 1000)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    for _, inputs, result, times in running:
        result["images_per_call"] = len(next(iter(inputs.values())))
        result["times"] = {"median_ms": float(np.median(times)), "mean_ms": float(np.mean(times)),
                           "p95_ms": float(np.percentile(times, 95)),
                           "p99_ms": float(np.percentile(times, 99)), "calls": len(times)}

    provider = options.provider.replace("ExecutionProvider", "")
    threads = f"{options.threads} thread" + ("" if options.threads == 1 else "s")
    batches = {result["images_per_call"] for _, _, result, _ in running} or {options.batch}
    document = {
        "qsweep_kit": 1,
        "runtime": f"ONNX Runtime {ort.__version__} {provider}",
        "conditions": f"{cpu_name()}, {threads}",
        "batch": max(batches), "threads": options.threads, "rounds": options.rounds,
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "system": platform.platform(),
                    "python": platform.python_version(), "numpy": np.__version__},
        "models": results}
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    for result in results:
        said = result.get("error") or (f"{result['times']['median_ms']:9.4f} ms, "
                                       f"{100 * result['check']['agreement']:.2f} % as predicted")
        print(f"{said}  {result['scheme']}")
    print(f"{options.out}: bring it back with `qsweep latency DIR --import {options.out}`")


if __name__ == "__main__":
    main()
