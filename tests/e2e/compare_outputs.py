"""Runs each model in qsweep (smoke) and in ONNX Runtime on one random input; the outputs must agree."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import onnxruntime as ort

TOLERANCE = 1e-3  # of the largest magnitude of an output

binary, scratch, models = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
worst = 0.0
for model in models:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    shape = [d if isinstance(d, int) else 1 for d in entry.shape]
    x = np.random.default_rng(42).standard_normal(shape).astype(np.float32)
    np.save(scratch / "x.npy", x)
    out = scratch / pathlib.Path(model).stem
    run = subprocess.Popen([binary, "smoke", model, "--input", f"{entry.name}={scratch / 'x.npy'}", "--out", str(out)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(run.pid, 0)
    assert status == 0, model
    for meta, expected in zip(session.get_outputs(), session.run(None, {entry.name: x})):
        found = np.load(out / (meta.name.replace("/", "_") + ".npy"))
        assert found.shape == expected.shape, (model, found.shape, expected.shape)
        error = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12)
        worst = max(worst, error)
        print(f"{pathlib.Path(model).stem:28} {meta.name:12} relative difference {error:.2e}, peak memory at most {usage.ru_maxrss / 1024:.0f} MiB")
        assert error <= TOLERANCE, model
print(f"worst {worst:.2e}, allowed {TOLERANCE:.0e}")
