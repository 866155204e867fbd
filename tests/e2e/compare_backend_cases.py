"""Runs ONNX's published backend cases through the whole program (import, passes, engine): each gives the expected
outputs or ends in one line that says what is unsupported."""
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import numpy_helper

binary, scratch, root = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
# The data cuts float32 to bfloat16 where Cast rounds to nearest.
ERRATA = {"test_cast_FLOAT_to_BFLOAT16", "test_castlike_FLOAT_to_BFLOAT16", "test_castlike_FLOAT_to_BFLOAT16_expanded"}
HALF = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def tensor(path):
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(proto)


def usable(value):
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


counts, refusals, failures = {"passed": 0, "refused": 0, "not tensors": 0, "errata": 0}, {}, []
for folder in sorted(p for group in ("node", "simple", "pytorch-converted", "pytorch-operator") for p in (root / group).iterdir()):
    if folder.name in ERRATA:
        counts["errata"] += 1
        continue
    model = onnx.load(folder / "model.onnx")
    constants = {t.name for t in model.graph.initializer}
    given = [v for v in model.graph.input if v.name not in constants]
    try:
        inputs = [tensor(folder / f"test_data_set_0/input_{i}.pb") for i in range(len(given))]
        expected = [tensor(folder / f"test_data_set_0/output_{i}.pb") for i in range(len(model.graph.output))]
    except Exception:
        inputs, expected = [None], []
    types = [v.type.tensor_type.elem_type for v in [*given, *model.graph.output]]
    if not all(usable(v) for v in inputs + expected) or any(t == onnx.TensorProto.BFLOAT16 for t in types):
        counts["not tensors"] += 1
        continue
    command = [binary, "smoke", str(folder / "model.onnx"), "--out", str(scratch / folder.name)]
    for i, (value, array) in enumerate(zip(given, inputs)):
        half = value.type.tensor_type.elem_type in HALF  # the engine computes in float32
        np.save(scratch / f"{i}.npy", array.astype(np.float32) if half else array)
        command += ["--input", f"{value.name}={scratch / f'{i}.npy'}"]
    run = subprocess.run(command, capture_output=True, text=True)
    error = run.stderr.strip()
    if run.returncode != 0:
        lines = error.splitlines()
        refused = len(lines) == 1 and re.match(r"qsweep: error: .*(unsupported|not supported|no kernel|without a kernel|cannot|not available|does not|control flow|has no|lacks)", lines[0])
        if refused and run.returncode in (2, 3):
            counts["refused"] += 1
            text = re.sub(r"\[.*", "", lines[0])
            text = re.sub(r"'[^']*'|\d+", "_", text)
            refusals.setdefault(text, []).append(folder.name)
        else:
            failures.append(f"{folder.name}: exit {run.returncode}: {error[:300]}")
        continue
    wrong = ""
    for value, want in zip(model.graph.output, expected):
        got = np.load(scratch / folder.name / (value.name.replace("/", "_") + ".npy"))
        if got.shape != want.shape:
            wrong = f"{value.name} is {got.shape}, not {want.shape}"
        elif want.dtype.kind == "f":
            close = np.isclose(got.astype(np.float64), want.astype(np.float64), rtol=1e-3, atol=1e-3 if want.dtype == np.float16 else 1e-6, equal_nan=True)
            wrong = wrong or ("" if close.all() else f"{value.name} differs: {got.ravel()[:4]} and {want.ravel()[:4]}")
        elif not np.array_equal(got, want):
            wrong = wrong or f"{value.name} differs: {got.ravel()[:6]} and {want.ravel()[:6]}"
    if wrong:
        failures.append(f"{folder.name}: {wrong}")
    else:
        counts["passed"] += 1
for text, names in sorted(refusals.items(), key=lambda item: -len(item[1])):
    print(f"{len(names):4} {text}   e.g. {names[0]}")
for line in failures:
    print("FAILED", line)
print(", ".join(f"{n} {what}" for what, n in counts.items()) + f", {len(failures)} failed")
sys.exit(1 if failures else 0)
