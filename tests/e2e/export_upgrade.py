"""Models of old opsets, exported to a new one, compute in ONNX Runtime what they computed before: own cases, and ONNX's
backend cases in every older version of their operators. The list of changes names every one that the schemas show."""
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
from backend_nodes import NEWEST_OPSET, add_layer, imported_operators, schemas, single_nodes
from onnx import TensorProto, helper, numpy_helper

binary, scratch, sources, backend = sys.argv[1], *map(pathlib.Path, sys.argv[2:5])
OLDEST, NEWEST = 9, NEWEST_OPSET
ort.set_default_logger_severity(4)
rng = np.random.default_rng(7)
SHAPE = (1, 4, 6, 6)


def const(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def node(op, inputs, outputs=("b",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


i64 = lambda *v: np.array(v, np.int64)
# Name: opset, nodes from `a` to `b`, initializers.
CASES = {
    "softmax over two axes": (11, [node("Softmax", "a", axis=2)], []),
    "log-softmax, default axis": (11, [node("LogSoftmax", "a")], []),
    "softmax over the last axis": (12, [node("Softmax", "a", axis=-1)], []),
    "hardmax": (11, [node("Hardmax", "a", axis=2)], []),
    "squeeze and unsqueeze": (11, [node("Unsqueeze", "a", ["u"], axes=[0]), node("Squeeze", "u", axes=[0])], []),
    "reductions": (11, [node("ReduceSum", "a", ["s"], axes=[2], keepdims=1), node("ReduceMean", "s", axes=[1])], []),
    "other reductions": (11, [node("ReduceL2", "a", ["s"], axes=[2], keepdims=0), node("ReduceLogSumExp", "s", axes=[1])], []),
    "mean of powers": (11, [node("LpPool", "a", kernel_shape=[2, 3], strides=[2, 1])], []),
    "reduction over everything": (11, [node("ReduceMax", "a")], []),
    "split, equal": (11, [node("Split", "a", ["p", "q"], axis=1), node("Sub", ["p", "q"])], []),
    "split, given": (11, [node("Split", "a", ["p", "q"], axis=1, split=[1, 3]), node("Mul", ["p", "q"])], []),
    "slice": (9, [node("Slice", "a", starts=[1, 0], ends=[3, 4], axes=[1, 2])], []),
    "pad": (9, [node("Pad", "a", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=1.5)], []),
    "clip, both": (9, [node("Clip", "a", min=-0.5, max=0.25)], []),
    "clip, one": (9, [node("Clip", "a", max=0.25)], []),
    "top-k": (9, [node("TopK", "a", ["b", "k"], axis=1, k=2)], []),
    "upsample, nearest": (9, [node("Upsample", ["a", "s"], mode="nearest")], [const("s", np.float32([1, 1, 2, 2]))]),
    "upsample, linear": (9, [node("Upsample", ["a", "s"], mode="linear")], [const("s", np.float32([1, 1, 2, 2]))]),
    "resize 10": (10, [node("Resize", ["a", "s"], mode="nearest")], [const("s", np.float32([1, 1, 1.5, 2]))]),
    "resize 10, smaller": (10, [node("Resize", ["a", "s"], mode="nearest")], [const("s", np.float32([1, 1, 0.6, 0.4]))]),
    "resize 10, one axis smaller, one larger": (10, [node("Resize", ["a", "s"], mode="nearest")], [const("s", np.float32([1, 1, 0.6, 1.7]))]),
    "resize 10, linear": (10, [node("Resize", ["a", "s"], mode="linear")], [const("s", np.float32([1, 1, 0.7, 2]))]),
    "resize 11, TensorFlow's nearest": (11, [node("Resize", ["a", "r", "s"], coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor")],
                                        [const("r", np.float32([])), const("s", np.float32([1, 1, 0.6, 1.7]))]),
    "resize 11, TensorFlow's, default rounding": (11, [node("Resize", ["a", "r", "s"], coordinate_transformation_mode="tf_half_pixel_for_nn")],
                                                  [const("r", np.float32([])), const("s", np.float32([1, 1, 0.6, 3]))]),
    "scatter": (9, [node("Scatter", ["a", "i", "u"], axis=1)], [const("i", i64(2, 0).reshape(1, 2, 1, 1)), const("u", np.float32([7, -7]).reshape(1, 2, 1, 1))]),
    "regions, default coordinates": (10, [node("RoiAlign", ["a", "r", "n"], output_height=2, output_width=2, spatial_scale=0.8)],
                                     [const("r", np.float32([[0, 1, 4, 5]])), const("n", i64(0))]),
    "grid, default mode": (16, [node("GridSample", ["a", "g"])], [const("g", np.linspace(-0.9, 0.9, 18, dtype=np.float32).reshape(1, 3, 3, 2))]),
    "grid, bicubic": (16, [node("GridSample", ["a", "g"], mode="bicubic")], [const("g", np.linspace(-0.9, 0.9, 18, dtype=np.float32).reshape(1, 3, 3, 2))]),
    "groups": (18, [node("GroupNormalization", ["a", "s", "t"], num_groups=2)], [const("s", np.float32([2, -3])), const("t", np.float32([0.5, 1]))]),
    "groups, scale computed": (18, [node("GlobalAveragePool", "a", ["m"]), node("Reshape", ["m", "q"], ["v"]), node("Slice", ["v", "0", "2", "0"], ["s"]),
                                    node("GroupNormalization", ["a", "s", "t"], num_groups=2)],
                               [const("q", i64(-1)), const("0", i64(0)), const("2", i64(2)), const("t", np.float32([0.5, 1]))]),
    "resize 11, sizes": (11, [node("Resize", ["a", "r", "r", "z"], mode="linear")], [const("r", np.float32([])), const("z", i64(1, 4, 9, 3))]),
}


def run(path, feeds):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, feeds)


before, after = scratch / "before.onnx", scratch / "after.onnx"


def check(name, model, feeds, asked):
    """Raises the model to the opset; False when the exporter refuses it."""
    expected = run(before, feeds)
    done = subprocess.run([binary, "export", before, "--opset", str(asked), "--out", after], capture_output=True, text=True)
    if done.returncode == 3:
        refusals.setdefault(done.stderr.strip(), []).append(name)
        return False
    assert done.returncode == 0, (name, asked, done.stderr)
    # Type inference of the onnx package fails on its own form of MeanVarianceNormalization.
    onnx.checker.check_model(str(after), full_check="MeanVarianceNormalization" not in [n.op_type for n in model.graph.node])
    assert onnx.load(after).opset_import[0].version == asked
    for found, wanted in zip(run(after, feeds), expected, strict=True):
        assert found.shape == wanted.shape and found.dtype == wanted.dtype, (name, asked, found.shape, wanted.shape)
        if wanted.dtype.kind == "f":
            close = np.isclose(found.astype(np.float64), wanted.astype(np.float64), rtol=1e-5, atol=1e-6, equal_nan=True).all()
        else:
            close = np.array_equal(found, wanted)
        assert close, (name, asked, found.ravel()[:6], wanted.ravel()[:6])
    return True


refusals = {}

# The list: every change of signature of an operator that we import has a line.
imported = imported_operators(sources)
listed = {(op, int(opset)) for op, opset in re.findall(r"^(?:CHANGE|KEEPS)\((\w+), (\d+),", (sources / "io/onnx/detail/opset_changes.inc").read_text(), re.M)}
versions = schemas(imported)


def signature(s):
    return ([str(i.option) for i in s.inputs], [str(o.option) for o in s.outputs], s.deprecated,
            {name: (a.required, str(a.default_value)) for name, a in s.attributes.items()})


changed = set()
for op, known in versions.items():
    order = sorted(known)
    for old, new in zip(order, order[1:]):
        if OLDEST < new <= NEWEST and signature(known[old]) != signature(known[new]):
            changed.add((op, new))
assert changed <= listed, f"changes without a line in opset_changes.inc: {sorted(changed - listed)}"

for name, (opset, nodes, constants) in CASES.items():
    # x -> Conv (the layer) -> the case -> Neg -> y
    weight = rng.standard_normal((4, 4, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [node("Conv", ["x", "w"], ["a"]), *nodes, node("Neg", "b", ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [const("w", weight), *constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
    onnx.save(model, before)
    feeds = {"x": rng.standard_normal(SHAPE).astype(np.float32)}
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, run(before, feeds)[0].shape))
    onnx.save(model, before)
    for asked in (11, 13, 18, 21):
        is_valid = asked == 21 or all(n.op_type != "GroupNormalization" for n in nodes)  # ONNX deprecated that of opset 18
        if asked > opset and is_valid:
            assert check(name, model, feeds, asked), (name, asked, refusals)
print(f"{len(CASES)} nodes of old opsets, each in the newer ones: equal")

# Operands that were attributes: operator, the opset until which they were, their names by place.
WERE_ATTRIBUTES = [("Slice", 10, {1: "starts", 2: "ends", 3: "axes"}), ("TopK", 10, {1: "k"}), ("Pad", 11, {1: "pads", 2: "value"}), ("Clip", 11, {1: "min", 2: "max"}),
                   ("Squeeze", 13, {1: "axes"}), ("Unsqueeze", 13, {1: "axes"}), ("ReduceSum", 13, {1: "axes"}), ("Split", 13, {1: "split"}),
                   *[(op, 18, {1: "axes"}) for op in sorted(imported) if op.startswith("Reduce") and op != "ReduceSum"]]


def older_form(model, feeds, opset):
    """The node as this opset has it, or None."""
    n = model.graph.node[0]
    for op, until, names in WERE_ATTRIBUTES:
        if n.op_type != op or opset >= until:
            continue
        for place, operand in [*enumerate(n.input)][:0:-1]:
            if operand and place not in names:
                return None  # steps of Slice
            if operand and feeds[operand].size == 0:
                return None  # no attribute is empty
            if operand:
                value = feeds.pop(operand)
                n.attribute.append(helper.make_attribute(names[place], value.tolist() if value.ndim else value.item()))
                kept = [i for i in model.graph.input if i.name != operand]
                del model.graph.input[:]
                model.graph.input.extend(kept)
        del n.input[1:]
        kept = [a for a in n.attribute if a.name not in ("noop_with_empty_axes", "num_outputs")]
        del n.attribute[:]
        n.attribute.extend(kept)
    return model


counts, operators = 0, set()
for name, source, values in single_nodes(backend, imported):
    n = source.graph.node[0]
    order = [v for v in sorted(versions[n.op_type]) if v <= NEWEST]
    for old, new in zip(order, order[1:]):
        if new <= OLDEST:
            continue
        model, feeds = onnx.ModelProto(), dict(values)
        model.CopyFrom(source)
        model.opset_import[0].version = new - 1
        model.ir_version = 4 if new < 15 else 8
        if older_form(model, feeds, new - 1) is None:
            continue
        add_layer(model, feeds)
        try:
            onnx.checker.check_model(model, full_check=True)
            onnx.save(model, before)
            run(before, feeds)
        except Exception:
            continue  # this version has no such node
        if check(f"{name}, opset {new - 1}", model, feeds, NEWEST):
            counts += 1
            operators.add(n.op_type)
for text, names in refusals.items():
    print(f"{len(names):4} refused: {text}   e.g. {names[0]}")
print(f"{counts} of ONNX's backend cases in older versions of {len(operators)} operators: equal; changed and not among them: "
      f"{', '.join(sorted({op for op, _ in changed} - operators))}")
