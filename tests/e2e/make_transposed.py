"""FOLDER: transposed.onnx (a ConvTranspose `up` and a Gemm `fc`) with data x.npy, and calibration images c.npy, and labels y.npy of both."""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

folder, rng = pathlib.Path(sys.argv[1]), np.random.default_rng(42)
constants = {"uw": rng.standard_normal((3, 6, 2, 2)), "ub": rng.standard_normal(6), "fw": rng.standard_normal((10, 6)), "fb": rng.standard_normal(10)}
nodes = [helper.make_node("ConvTranspose", ["x", "uw", "ub"], ["u"], "up", strides=[2, 2]), helper.make_node("Relu", ["u"], ["r"], "relu"),
         helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"), helper.make_node("Flatten", ["p"], ["f"], "flat"),
         helper.make_node("Gemm", ["f", "fw", "fb"], ["y"], "fc", transB=1)]
graph = helper.make_graph(nodes, "transposed", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
                          [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()])
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(folder / "transposed.onnx"))
for name in ("x", "c"):
    np.save(folder / f"{name}.npy", rng.standard_normal((64, 3, 8, 8)).astype(np.float32))
np.save(folder / "y.npy", rng.integers(0, 10, 64))
