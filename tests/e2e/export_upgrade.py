"""Models of old opsets, exported to a new one, compute in ONNX Runtime what they computed before."""
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

binary, scratch = sys.argv[1], pathlib.Path(sys.argv[2])
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
    "resize 11, sizes": (11, [node("Resize", ["a", "r", "r", "z"], mode="linear")], [const("r", np.float32([])), const("z", i64(1, 4, 9, 3))]),
}


def run(path, x):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(["y"], {"x": x})[0]


for name, (opset, nodes, constants) in CASES.items():
    # x -> Conv (the layer) -> the case -> Neg -> y
    weight = rng.standard_normal((4, 4, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [node("Conv", ["x", "w"], ["a"]), *nodes, node("Neg", "b", ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [const("w", weight), *constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
    before, after = scratch / "before.onnx", scratch / "after.onnx"
    onnx.save(model, before)
    x = rng.standard_normal(SHAPE).astype(np.float32)
    expected = run(before, x)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, expected.shape))
    onnx.save(model, before)
    for asked in (13, 18, 21):
        done = subprocess.run([binary, "export", before, "--opset", str(asked), "--out", after], capture_output=True, text=True)
        assert done.returncode == 0, (name, asked, done.stderr)
        onnx.checker.check_model(str(after), full_check=True)
        assert onnx.load(after).opset_import[0].version == asked
        found = run(after, x)
        assert found.shape == expected.shape and np.abs(found - expected).max() <= 1e-6, (name, asked)
print(f"{len(CASES)} operators of old opsets, each in 3 new ones: equal")
