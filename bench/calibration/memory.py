"""Peak memory of calibrating with 256 and 2,560 images: qsweep beside ONNX Runtime's entropy calibrator.

memory.py QSWEEP MODEL CIFAR_BIN [SMALL LARGE]
Exits 1 when qsweep's peaks differ by more than 10 %.
"""
import os
import shutil
import subprocess
import sys
import tempfile

SELF = os.path.abspath(__file__)


def peak_mib(command):
    """Peak resident set of one child process."""
    pid = os.posix_spawn(command[0], command, os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return usage.ru_maxrss / 1024


def calibrate_with_ort(model, path, count):
    import numpy as np
    from onnxruntime.quantization import calibrate as ort

    raw = np.memmap(path, np.uint8, "r").reshape(-1, 3073)

    class Images(ort.CalibrationDataReader):
        def __init__(self):
            self.at = 0

        def get_next(self):
            if self.at == count:
                return None
            self.at += 1
            return {name: raw[self.at - 1 : self.at, 1:].reshape(1, 3, 32, 32).astype(np.float32)}

    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copy(model, scratch)  # ONNX Runtime writes beside the model
        calibrater = ort.EntropyCalibrater(copy, augmented_model_path=f"{scratch}/augmented.onnx")
        calibrater.augment_graph()
        calibrater.create_inference_session()
        name = calibrater.infer_session.get_inputs()[0].name
        calibrater.collect_data(Images())
        calibrater.compute_data()


def main():
    if sys.argv[1] == "--onnxruntime":
        return calibrate_with_ort(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    qsweep, model, path = sys.argv[1:4]
    sizes = [int(n) for n in sys.argv[4:6]] or [256, 2560]
    peaks = {}
    print("images   qsweep MiB   onnxruntime MiB")
    for n in sizes:
        ours = peak_mib([qsweep, "calibrate", model, "--threads", "1", "--calib", f"cifar10:{path}", "--calib-images", str(n),
                         "--calibrator", "entropy", "--json"])
        theirs = peak_mib([sys.executable, SELF, "--onnxruntime", model, path, str(n)])
        peaks[n] = ours
        print(f"{n:6} {ours:12.1f} {theirs:17.1f}", flush=True)
    small, large = (peaks[n] for n in sizes)
    sys.exit(0 if large <= 1.1 * small else 1)


main()
