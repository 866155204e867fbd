"""Calibration report of a detector on COCO pictures, which the program takes as .npy arrays.

detector.py QSWEEP MODEL PICTURES [COUNT]
Letterboxes the pictures (BGR 0..255, padded at the bottom right with 114, as YOLOX does) and prints the warnings.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from PIL import Image


def letterbox(path, height, width):
    picture = Image.open(path).convert("RGB")
    ratio = min(height / picture.height, width / picture.width)
    size = (int(picture.width * ratio), int(picture.height * ratio))
    canvas = np.full((height, width, 3), 114, np.uint8)
    canvas[: size[1], : size[0]] = np.asarray(picture.resize(size, Image.BILINEAR))
    return canvas.transpose(2, 0, 1)  # RGB, as .npy containers hold pictures


def main():
    qsweep, model, pictures = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 64
    shape = onnx.load(model).graph.input[0].type.tensor_type.shape.dim
    height, width = shape[2].dim_value, shape[3].dim_value
    paths = sorted(pathlib.Path(pictures).glob("*.jpg"))[:count]
    with tempfile.TemporaryDirectory() as scratch:
        np.save(f"{scratch}/x.npy", np.stack([letterbox(p, height, width) for p in paths]))
        np.save(f"{scratch}/y.npy", np.zeros(len(paths), np.int64))
        output = subprocess.run(
            [qsweep, "calibrate", model, "--calib", f"npy:{scratch}/x.npy,{scratch}/y.npy", "--calib-images",
             str(len(paths)), "--calib-sampling", "first", "--json"], check=True, stdout=subprocess.PIPE).stdout
    document = json.loads(output)
    print(f"{len(document['tensors'])} tensors, {len(paths)} pictures")
    for warning in document["warnings"]:
        print("warning:", warning)
    for tensor in document["tensors"][:2]:
        print(json.dumps(tensor, indent=1))


main()
