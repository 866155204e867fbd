"""deploy.py --qsweep Q --data ../shared/data [--threads 1] [--only resnet8 ...]: what a file costs where it runs.

For each model: the float file, that of ONNX Runtime's own quantize_static (UINT8 activations, INT8 weights per channel, min-max, after its own preparation), and qsweep's W8A8 files for
the targets generic and onnxruntime; all from the same calibration images. Milliseconds of one image in ONNX Runtime with its
default optimizations (median of rounds that take the files in turns), integer operators after optimization, and the metric by
`qsweep eval`, which reads every one of these files. Prints a Markdown table.
"""
import argparse, collections, json, pathlib, shutil, subprocess, tempfile, time

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

CIFAR = ("cifar10:{d}/cifar10/test_1017.bin", "cifar10:{d}/cifar10/train_4000.bin", 64, "top1")
COCO = ("coco:{d}/coco/val2017,{d}/coco/instances_val2017_128.json", "coco:{d}/coco/train2017,{d}/coco/instances_train2017_64.json",
        32, "map")
MODELS = {
    "resnet8": ("resnet8_cifar10", *CIFAR),
    "resnet20": ("resnet20_cifar10", *CIFAR),
    "resnet56": ("resnet56_cifar10", *CIFAR),
    "vit": ("vit_cifar10", *CIFAR),
    "mobilenet": ("vww_mobilenetv1_96_nchw", "images:{d}/coco/vww_val2017_128.txt", "coco:{d}/coco/train2017,"
                  "{d}/coco/instances_train2017_64.json", 64, "top1"),
    "yolox_nano": ("yolox_nano_coco", *COCO),
    "yolov5n": ("yolov5n_coco_416", *COCO),
}


def integer_operators(model, folder):
    optimized = folder / "optimized.onnx"
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(optimized)
    ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    counts = collections.Counter(n.op_type for n in onnx.load(str(optimized)).graph.node)
    return sum(n for op, n in counts.items() if op.startswith(("QLinear", "QGemm", "MatMulInteger", "DynamicQuantize")))


def times(files, threads, rounds=60):
    sessions = {}
    for name, file in files.items():
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        s = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in s.get_inputs()[0].shape]
        sessions[name] = (s, {s.get_inputs()[0].name: np.random.default_rng(0).random(shape, np.float32)})
    taken = {name: [] for name in files}
    for r in range(rounds + 5):
        for name, (s, feed) in sessions.items():
            s.run(None, feed)
            start = time.perf_counter()
            s.run(None, feed)
            if r >= 5:
                taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(t)) for name, t in taken.items()}


class Images(CalibrationDataReader):
    def __init__(self, name, images):
        self.feeds = iter([{name: images[i:i + 1]} for i in range(len(images))])

    def get_next(self):
        return next(self.feeds, None)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--qsweep", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--calibrator", default="minmax")
    p.add_argument("--limit", type=int, default=0)
    p.add_argument("--only", nargs="*", default=list(MODELS))
    a = p.parse_args()
    print("| model | file | ms | against float | integer operators | metric |\n| --- | --- | --- | --- | --- | --- |")
    for key in a.only:
        stem, data, calib, count, metric = MODELS[key]
        data, calib = data.format(d=a.data), calib.format(d=a.data)
        model = pathlib.Path(a.data) / "models" / f"{stem}.onnx"
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            files = {"float": model}
            for target in ("generic", "onnxruntime"):
                out = folder / f"{target}.onnx"
                subprocess.run([a.qsweep, "export", model, "--calib", calib, "--calib-images", str(count), "--calibrator", a.calibrator,
                                "--scheme", "*=W8A8", "--target", target, "--scripts", folder / "scripts", "--out", out],
                               check=True, capture_output=True)
                files[f"qsweep, {target}"] = out
            images = np.load(folder / "scripts" / "calibration_data.npy")
            static = folder / "static.onnx"
            source = folder / "prepared.onnx"
            quant_pre_process(str(folder / "scripts" / "model_fp32.onnx"), str(source), skip_symbolic_shape=True)
            name = ort.InferenceSession(str(source), providers=["CPUExecutionProvider"]).get_inputs()[0].name
            quantize_static(str(source), str(static), Images(name, images), quant_format=QuantFormat.QDQ, per_channel=True,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
            shutil.copy(model.with_suffix(".yaml"), static.with_suffix(".yaml"))
            files["quantize_static"] = static
            ms = times(files, a.threads)
            for name, file in files.items():
                done = subprocess.run([a.qsweep, "eval", file, "--data", data, "--limit", str(a.limit), "--json"], capture_output=True,
                                      text=True)
                value = f"{json.loads(done.stdout)[metric]:.4f}" if done.returncode == 0 else done.stderr.strip()[-80:]
                print(f"| {key} | {name} | {ms[name]:.3f} | {ms['float'] / ms[name]:.2f}x | {integer_operators(file, folder)} | "
                      f"{metric} {value} |", flush=True)


main()
