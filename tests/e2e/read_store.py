"""Reads a run's sweep.h5 with h5py and checks the layout that users' scripts rely on."""
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1]) as f:
    for group in ("meta", "layers", "calibration", "sensitivity", "schemes", "activations", "tasks"):
        assert group in f, f"/{group} is missing"
    schemes, layers = len(f["schemes/id"]), len(f["layers/name"])
    assert f["schemes/precision"].shape == (schemes, layers)
    assert f["predictions"].shape[0] == schemes
    images = f["predictions"].shape[1]
    assert np.all(f["schemes/images"][...] == images)
    assert f["confusion"][...].sum() == schemes * images
    for name in ("sqnr_db", "mse", "cosine", "qdq_error", "kl", "metric", "metric_drop", "ci_low", "ci_high"):
        assert len(f["sensitivity"][name]) == len(f["sensitivity/layer"]), name
    front = f["schemes/front"][...].astype(bool)
    assert front.any()
    for name, layer in f["activations"].items():
        quantized, floats = layer["quantized"][...], layer["float"][...]
        assert quantized.shape == floats.shape and np.isfinite(quantized).all(), name
        assert not np.array_equal(quantized, floats), f"{name}: quantization changed nothing"
    # Reuse: each stage computed less than its schemes one by one, and never less than one of them.
    stage, work, alone = f["tasks/stage"].asstr()[...], f["tasks/work"][...], f["tasks/work_without_reuse"][...]
    one = alone[stage == "baseline"].sum()
    for name in ("sensitivity", "sweep"):
        reused, whole = work[stage == name].sum(), alone[stage == name].sum()
    assert one * 0.999 <= reused < whole, f"{name}: {reused:.0f} of {whole:.0f}, the float model alone {one:.0f}"
    assert np.isclose(work[stage == "baseline"].sum(), one) and not work[stage == "calibration"].any()
    missing = []
    f.visititems(lambda n, o: missing.append(n) if isinstance(o, h5py.Dataset) and not {"units", "description"} <= set(o.attrs) else None)
    assert not missing, f"no units or description: {missing}"
print("sweep.h5 reads well with h5py", h5py.__version__)
