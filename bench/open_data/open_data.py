#!/usr/bin/env python3
"""Time and peak memory of evaluating a few pictures of a large set; see README.md.

    bench/open_data/open_data.py QSWEEP... [--pictures 120000] [--limit 10] [--folder DIR]

Makes the pictures (16 x 16 PNG, all different) and a model in DIR, by default a temporary folder. Needs numpy and onnx.
"""
import argparse
import os
import pathlib
import struct
import subprocess
import tempfile
import time
import zlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

CLASSES = 100


def png(number):
    """A picture that no other number gives."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels.reshape(-1)[:4] = list(struct.pack("<I", number))
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    part = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows, 1)) + part(b"IEND", b"")


def make(folder, pictures):
    lines = []
    for number in range(pictures):
        name = f"set/{number % CLASSES:03}/{number:06}.png"
        lines.append(f"{name} {number % CLASSES}\n")
        path = folder / name
        if number < CLASSES:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    (folder / "list.txt").write_text("".join(lines))
    weights = np.random.default_rng(1).standard_normal((768, CLASSES)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", CLASSES])], [numpy_helper.from_array(weights, "w")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    (folder / "model.yaml").write_text("task: classification\ninput: {layout: NCHW, color: RGB, scale: 255, mean: [0, 0, 0], std: [1, 1, 1], "
                                       "resize: {mode: stretch, size: [16, 16]}}\n")


def measure(program, folder, spec, limit):
    """Seconds, peak MiB and how it ended."""
    command = [os.path.abspath(program), "eval", "model.onnx", "--data", spec, "--threads", "1"] + (["--limit", str(limit)] if limit else [])
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    text = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return time.monotonic() - start, usage.ru_maxrss / 1024, "done" if code == 0 else f"exit {code}: {text.strip().splitlines()[-1][:90]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--pictures", type=int, default=120_000)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary)
        if not (folder / "list.txt").exists():
            folder.mkdir(exist_ok=True)
            make(folder, options.pictures)
        print("| program | data | pictures used | seconds | peak MiB | ended |\n| --- | --- | ---: | ---: | ---: | --- |")
        for spec in ("images:list.txt", "folder:set"):
            for limit in (options.limit, 0):
                for program in options.programs:
                    seconds, peak, ended = measure(program, folder, spec, limit)
                    print(f"| {program} | {spec} | {limit or 'all'} | {seconds:.2f} | {peak:.0f} | {ended} |", flush=True)


if __name__ == "__main__":
    main()
