"""Ranges of qsweep's calibrators against those of onnxruntime.quantization.calibrate on the same images.

compare_calibrators.py QSWEEP MODEL CIFAR_BIN SCRATCH [IMAGES]
Both see the same float model; agreement is asked for within one bin of ONNX Runtime's histogram.
"""
import contextlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import unittest.mock

import numpy as np
from onnxruntime.quantization import calibrate as ort

ENTROPY_BINS = (128, 512, 2048)
PERCENTILES = (99.0, 99.9, 99.999)


ties = {}


class Images(ort.CalibrationDataReader):
    def __init__(self, name, images):
        self.batches = iter([{name: images[i : i + 1]} for i in range(len(images))])

    def get_next(self):
        return next(self.batches, None)


def entropy_ties(collector, tensor):
    """Upper thresholds whose divergence is the least to float32's last digits: ONNX Runtime sums in float32."""
    histogram = collector.histogram_dict[tensor]
    divergences = []

    def argmin(values):
        divergences.append(values)
        return values.argmin()

    with unittest.mock.patch.object(ort.np, "argmin", argmin):
        collector.get_entropy_threshold(histogram, collector.num_quantized_bins)
    middle = len(histogram[0]) // 2
    first = middle + collector.num_quantized_bins // 2 + 1
    tied = np.flatnonzero(divergences[0] <= divergences[0].min() * (1 + 1e-5))
    return [min(float(histogram[1][min(first + i, 2 * middle)]), float(histogram[3])) for i in tied]


def ranges_of_ort(model, images, scratch, make):
    copy = shutil.copy(model, scratch)  # ONNX Runtime writes beside the model
    calibrater = make(copy, augmented_model_path=str(scratch / "augmented.onnx"))
    with contextlib.redirect_stdout(io.StringIO()):
        calibrater.augment_graph()
        calibrater.create_inference_session()
        calibrater.collect_data(Images(calibrater.infer_session.get_inputs()[0].name, images))
        if isinstance(calibrater, ort.EntropyCalibrater):
            ties.update({k: entropy_ties(calibrater.collector, k) for k in calibrater.collector.histogram_dict})
        return {k: tuple(float(np.ravel(x)[0]) for x in v.range_value) for k, v in calibrater.compute_data().data.items()}


def ranges_of_qsweep(qsweep, model, data, count, calibrator, *options):
    command = [qsweep, "calibrate", model, "--calib", data, "--calib-images", str(count), "--calib-sampling", "first",
               "--json", *options]
    document = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {t["tensor"]: (t["calibrators"][calibrator]["low"], t["calibrators"][calibrator]["high"])
            for t in document["tensors"]}


def main():
    qsweep, model, path, scratch = sys.argv[1:5]
    count = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    scratch = pathlib.Path(scratch)
    raw = np.fromfile(path, np.uint8, count * 3073).reshape(count, 3073)
    images = raw[:, 1:].reshape(count, 3, 32, 32).astype(np.float32)
    whole = {}
    failures = compared = 0

    def compare(title, ours, theirs, bins):
        nonlocal failures, compared
        worst = 0.0
        # BatchNorm is folded here, so tensors inside a Conv-BatchNorm pair exist there only.
        for tensor in sorted(set(ours) & set(theirs)):
            width = 2 * max(map(abs, whole[tensor])) / bins
            # Both compute the network in float32, each in its own order.
            noise = 2e-5 * max(map(abs, whole[tensor]))
            apart = max(abs(a - b) for a, b in zip(ours[tensor], theirs[tensor]))
            if apart > width and any(abs(ours[tensor][1] - high) <= width for high in ties.get(tensor, [])):
                print(f"{title} {tensor}: two thresholds tie, {theirs[tensor][1]:.6g} and {ours[tensor][1]:.6g}")
                continue
            worst = max(worst, apart / width)
            compared += 1
            if apart > width + noise:
                failures += 1
                print(f"FAILED {title} {tensor}: qsweep {ours[tensor]} ONNX Runtime {theirs[tensor]}, bin {width:.4g}")
        print(f"{title}: {len(set(ours) & set(theirs))} tensors, at most {worst:.3f} bins apart")

    def both(calibrator, make, *options):
        return (ranges_of_qsweep(qsweep, model, f"cifar10:{path}", count, calibrator, *options),
                ranges_of_ort(model, images, scratch, make))

    ours, theirs = both("minmax", ort.MinMaxCalibrater)
    whole = theirs
    compare("minmax", ours, theirs, 1e5)
    for bins in ENTROPY_BINS:
        compare(f"entropy, {bins} bins",
                *both("entropy", lambda m, **k: ort.EntropyCalibrater(m, num_bins=bins, **k), "--bins", str(bins)), bins)
    ties.clear()
    for p in PERCENTILES:
        compare(f"percentile {p}",
                *both("percentile", lambda m, **k: ort.PercentileCalibrater(m, percentile=p, **k), "--percentile", str(p)),
                2048)
    if compared == 0:
        sys.exit("no tensor has the same name on both sides")
    sys.exit(1 if failures else 0)


main()
