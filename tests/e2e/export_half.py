"""`qsweep export --format fp16` of each model: half the size, all constants FP16, ONNX Runtime within FP16 of FP32.
`operators SOURCES BACKEND` instead of models: the same of each operator that we import."""
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
from backend_nodes import NEWEST_OPSET, add_layer, imported_operators, schemas, single_nodes

TOLERANCE = 0.02  # of the largest output; every intermediate is rounded to 11 bits

binary, scratch, models = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
ort.set_default_logger_severity(4)


def run(path, feeds):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feeds)


def check_list(sources):
    """The list of operands in FP32 only is that of the schemas."""
    text = (sources / "io/onnx/detail/half.cc").read_text()
    listed_text = text[text.index("kFloatPlaces[]"):text.index("};", text.index("kFloatPlaces[]"))]
    rows = re.findall(r'^    \{"(\w+)", (\w+), \{([\d, ]*)\}, \{([\d, ]*)\}\},$', listed_text, re.M)
    quantized = set(re.findall(r'"(\w+)"', text[text.index("kQuantized = {"):text.index("};", text.index("kQuantized"))]))
    numbers = lambda t: {int(n) for n in t.split(",") if n.strip()}
    for op, versions in schemas(imported_operators(sources) - quantized).items():
        for opset in range(9, NEWEST_OPSET + 1):
            known = [v for v in versions if v <= opset]
            if not known or versions[max(known)].deprecated and op != "Upsample":
                continue
            schema = versions[max(known)]
            types = {t.type_param_str: t.allowed_type_strs for t in schema.type_constraints}
            lacks = lambda p: "tensor(float)" in (t := types.get(p.type_str, [p.type_str])) and "tensor(float16)" not in t
            wanted = tuple({i for i, p in enumerate(ps) if lacks(p)} for ps in (schema.inputs, schema.outputs))
            listed = next(((numbers(a), numbers(b)) for name, until, a, b in rows if name == op and (until == "kNever" or opset < int(until))), (set(), set()))
            assert listed == wanted, (op, opset, listed, wanted)


def check_operators(sources, backend):
    """Every operator: ONNX Runtime loads it in FP16 and computes nearly what it computes in FP32, or the export names it."""
    full, half, counts, operators, refused, failures = scratch / "full.onnx", scratch / "half.onnx", 0, set(), set(), []
    for name, model, feeds in single_nodes(backend, imported_operators(sources)):
        op = model.graph.node[0].op_type
        if not any(v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT for v in model.graph.input):
            continue
        model.opset_import[0].version = max(model.opset_import[0].version, 9)
        model.ir_version = max(model.ir_version, 4)
        add_layer(model, feeds)
        onnx.save(model, full)
        try:
            expected = run(full, feeds)
        except Exception:
            continue  # ONNX Runtime has no such kernel
        done = subprocess.run([binary, "export", full, "--format", "fp16", "--out", half], capture_output=True, text=True)
        if done.returncode != 0:
            assert done.returncode == 3 and op in done.stderr, (name, done.stderr)
            refused.add(op)
            continue
        try:
            onnx.checker.check_model(str(half), full_check=op != "MeanVarianceNormalization")
            found = run(half, feeds)
            ort.InferenceSession(str(half), providers=["CPUExecutionProvider"])  # its optimizations take the file too
        except Exception as error:
            failures.append(f"{name}: {' '.join(str(error).split())[:300]}")
            continue
        for f, e in zip(found, expected, strict=True):
            if f.shape != e.shape or f.dtype != e.dtype:
                failures.append(f"{name}: {f.dtype}{f.shape}, not {e.dtype}{e.shape}")
            elif e.dtype.kind == "f" and not np.isclose(f, e, rtol=0.02, atol=0.02 * max(1, np.abs(e[np.isfinite(e)]).max(initial=0)), equal_nan=True).all():
                failures.append(f"{name}: {f.ravel()[:5]}, not {e.ravel()[:5]}")
        counts += 1
        operators.add(op)
    print(f"{counts} of ONNX's backend cases in FP16, of {len(operators)} operators; refused by name: {', '.join(sorted(refused))}")
    assert not failures, "\n".join(failures)


if models[0] == "operators":
    check_list(pathlib.Path(models[1]))
    check_operators(*map(pathlib.Path, models[1:]))
    sys.exit()
for model in map(pathlib.Path, models):
    half, full = scratch / (model.stem + "_fp16.onnx"), scratch / (model.stem + "_fp32.onnx")
    subprocess.run([binary, "export", str(model), "--format", "fp16", "--out", str(half)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([binary, "export", str(model), "--out", str(full)], check=True, stdout=subprocess.DEVNULL)
    onnx.checker.check_model(str(half), full_check=True)
    initializers = onnx.load(str(half)).graph.initializer
    assert all(t.data_type != onnx.TensorProto.FLOAT for t in initializers), model
    share = half.stat().st_size / full.stat().st_size
    assert share < 0.55, (model, share)
    outputs = []
    for path in (full, half):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        shape = [d if isinstance(d, int) else 16 for d in entry.shape]
        x = np.random.default_rng(42).standard_normal(shape).astype(np.float32)
        outputs.append(session.run(None, {entry.name: x})[0])
    error = np.abs(outputs[1] - outputs[0]).max() / np.abs(outputs[0]).max()
    print(f"{model.stem:20} {share:.3f} of the size, largest difference {error:.1e}")
    assert error <= TOLERANCE, model
