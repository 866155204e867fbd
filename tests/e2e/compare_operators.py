"""Runs single-operator models in qsweep (smoke) and in ONNX Runtime, over opsets, attributes and the places where
arguments moved from attributes to inputs; the outputs must agree."""
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 1e-4  # of the largest magnitude of an output

binary, scratch = sys.argv[1], pathlib.Path(sys.argv[2])
rng = np.random.default_rng(7)
cases = []


def x(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def case(op, opset, operands, outputs=1, **attributes):
    """The first operand is the model's input, the others are constants (None: left out)."""
    cases.append((op, opset, operands, outputs, attributes))


MAP = x(1, 6, 9, 11)
# Convolutions: plain, grouped, depthwise, dilated, padded by name
for group in (1, 2, 3, 6):
    for options in ({}, {"pads": [1, 2, 1, 0]}, {"strides": [2, 2], "dilations": [2, 1]}, {"auto_pad": "SAME_UPPER", "strides": [2, 3]}):
        case("Conv", 11, [MAP, x(12, 6 // group, 3, 3), x(12)], group=group, **options)
        case("ConvTranspose", 11, [MAP, x(6, 12 // group, 3, 3), x(12)], group=group, **options)
case("ConvTranspose", 11, [MAP, x(6, 4, 3, 3)], strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1])
case("ConvTranspose", 11, [MAP, x(6, 4, 3, 3)], strides=[2, 2], output_shape=[18, 22])
case("Conv", 11, [x(1, 4, 20), x(6, 4, 5)], pads=[2, 2])
case("Conv", 11, [x(1, 2, 5, 6, 7), x(3, 2, 3, 3, 3)])
# Resize
for mode in ("nearest", "linear", "cubic"):
    for transform in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"):
        for opset in (11, 13, 18, 19):
            absent = np.array([], np.float32) if opset == 11 else None  # optional since opset 13
            for size in ((18, 22), (5, 4), (13, 7)):
                case("Resize", opset, [MAP, absent, absent, i64(1, 6, *size)], mode=mode, coordinate_transformation_mode=transform)
for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
    case("Resize", 13, [MAP, None, np.array([1, 1, 1.7, 0.6], np.float32)], mode="nearest", nearest_mode=rounding)
for scales in ((2, 2), (0.5, 0.5), (1.5, 3), (0.6, 1.7)):
    array = np.array([1, 1, *scales], np.float32)
    case("Resize", 10, [MAP, array], mode="linear")
    case("Resize", 10, [MAP, array], mode="nearest")
    case("Upsample", 9, [MAP, array], mode="nearest") if min(scales) >= 1 else None
    case("Resize", 13, [MAP, None, array], mode="linear", coordinate_transformation_mode="half_pixel")
    case("Resize", 19, [MAP, None, array], mode="linear", coordinate_transformation_mode="half_pixel_symmetric")
    case("Resize", 13, [MAP, None, array], mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1)
    for mode in ("linear", "cubic"):
        case("Resize", 18, [MAP, None, array], mode=mode, antialias=1)
        case("Resize", 18, [MAP, None, array], mode=mode, antialias=1, exclude_outside=1)
for policy in ("stretch", "not_larger", "not_smaller"):
    case("Resize", 18, [MAP, None, None, i64(12, 12)], mode="linear", axes=[2, 3], keep_aspect_ratio_policy=policy)
case("Resize", 13, [MAP, np.array([0, 0, 0.2, 0.1, 1, 1, 0.8, 1.2], np.float32), None, i64(1, 6, 7, 8)], mode="linear",
     coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=3.0)
# Pooling
for options in ({"kernel_shape": [3, 3]}, {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "ceil_mode": 1},
                {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER", "strides": [2, 2]}, {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]}):
    case("MaxPool", 12, [MAP], **options)
    case("MaxPool", 12, [MAP], outputs=2, **{k: v for k, v in options.items() if k != "ceil_mode"})
    case("AveragePool", 11, [MAP], **options)
    case("AveragePool", 19, [MAP], count_include_pad=1, **options)
    case("LpPool", 11, [MAP], p=2, **{k: v for k, v in options.items() if k != "ceil_mode"})
case("MaxPool", 12, [MAP], kernel_shape=[3, 3], dilations=[2, 2])
for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
    case(op, 13, [MAP])
# Moving data
case("Squeeze", 11, [x(2, 1, 3, 1)], axes=[1])
case("Squeeze", 13, [x(2, 1, 3, 1), i64(1, -1)])
case("Squeeze", 13, [x(2, 1, 3, 1)])
case("Unsqueeze", 11, [x(2, 3)], axes=[0, 2])
case("Unsqueeze", 13, [x(2, 3), i64(0, -1)])
case("Split", 11, [x(2, 6)], outputs=2, axis=1, split=[2, 4])
case("Split", 13, [x(2, 6), i64(2, 4)], outputs=2, axis=1)
case("Split", 13, [x(2, 6)], outputs=3, axis=-1)
case("Split", 18, [x(2, 7)], outputs=3, axis=1, num_outputs=3)
for mode in ("constant", "reflect", "edge"):
    case("Pad", 11, [MAP, i64(0, 0, 1, 2, 0, 0, 3, 0)], mode=mode)
    case("Pad", 18, [MAP, i64(1, 2, 3, 0), None, i64(-2, 3)], mode=mode)
case("Pad", 19, [MAP, i64(1, 2, 3, 0), None, i64(2, 3)], mode="wrap")
case("Pad", 13, [MAP, i64(0, 0, 1, -2, 0, 0, -1, 3), np.array(2.5, np.float32)])
case("Slice", 13, [MAP, i64(1, -1), i64(100, -100), i64(2, 3), i64(2, -2)])
case("Slice", 9, [MAP], starts=[1, 0], ends=[5, -1], axes=[2, 3])
case("Transpose", 13, [MAP], perm=[0, 2, 3, 1])
case("Reshape", 13, [MAP, i64(0, 2, 3, -1)])
case("Reshape", 14, [MAP, i64(1, -1)])
case("Flatten", 13, [MAP], axis=2)
case("Expand", 13, [x(3, 1), i64(2, 1, 4)])
case("Tile", 13, [x(2, 3), i64(2, 3)])
case("Concat", 13, [x(2, 3), x(2, 4)], axis=-1)
for mode in ("DCR", "CRD"):
    case("DepthToSpace", 13, [x(1, 8, 3, 4)], blocksize=2, mode=mode)
case("SpaceToDepth", 13, [x(1, 2, 6, 4)], blocksize=2)
case("Gather", 13, [x(4, 5), i64(-1, 0, 2)], axis=1)
case("GatherElements", 13, [x(3, 4), np.array([[0, 2, 1, -1], [1, 0, 0, 2]], np.int64)], axis=0)
case("GatherND", 13, [x(3, 4, 5), np.array([[0, 1], [2, -1]], np.int64)])
for reduction, opset in (("none", 13), ("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
    extra = {} if reduction == "none" else {"reduction": reduction}
    case("ScatterND", opset, [x(4, 5), i64(1, 3).reshape(2, 1), x(2, 5)], **extra)
    case("ScatterElements", opset, [x(4, 5), np.array([[1, 0, 2, 3, 1]], np.int64), x(1, 5)], axis=0, **extra)
case("Compress", 11, [x(3, 4), np.array([True, False, True])], axis=1)
case("Trilu", 14, [x(4, 5), np.array(1, np.int64)], upper=0)
case("ReverseSequence", 10, [x(4, 3, 2), i64(4, 1, 2)], time_axis=0, batch_axis=1)
case("TopK", 11, [x(3, 9), i64(4)], outputs=2, axis=1)
case("TopK", 11, [x(9, 3), i64(2)], outputs=2, axis=0, largest=0)
case("NonZero", 13, [np.round(x(3, 4))])
case("OneHot", 11, [np.array([0.0, 2, -1], np.float32), i64(4), np.array([0, 1], np.float32)])
# Reductions
for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare"):
    for keep in (0, 1):
        if op == "ReduceSum":
            case(op, 13, [MAP, i64(2, 3)], keepdims=keep)
        else:
            case(op, 13, [MAP], axes=[2, -1], keepdims=keep)
            case(op, 18, [MAP, i64(1)], keepdims=keep)
    case(op, 18, [MAP])
    case(op, 18, [MAP], noop_with_empty_axes=1) if op in ("ReduceSum", "ReduceMean", "ReduceMax") else None
case("ReduceLogSum", 18, [np.abs(MAP), i64(1)])
for op in ("ArgMax", "ArgMin"):
    case(op, 13, [MAP], axis=1, keepdims=0)
    case(op, 13, [np.round(MAP)], axis=2, select_last_index=1)
case("CumSum", 14, [x(3, 4), np.array(1, np.int64)], exclusive=1, reverse=1)
# Normalization, attention
case("BatchNormalization", 15, [MAP, x(6), x(6), x(6), np.abs(x(6)) + 0.1], epsilon=1e-3)
case("InstanceNormalization", 13, [MAP, x(6), x(6)])
case("LayerNormalization", 17, [x(2, 7, 16), x(16), x(16)], epsilon=1e-6)
case("LayerNormalization", 17, [x(2, 7, 16), x(7, 16)], axis=1)
case("GroupNormalization", 21, [MAP, x(6), x(6)], num_groups=3)
case("LRN", 13, [MAP], size=3)
case("LpNormalization", 13, [MAP], axis=1)
for axis in (-1, 1):
    case("Softmax", 13, [MAP], axis=axis)
    case("LogSoftmax", 13, [MAP], axis=axis)
case("Softmax", 11, [x(2, 3, 4)], axis=1)
case("MatMul", 13, [x(2, 3, 4, 5), x(3, 5, 6)])
case("Gemm", 13, [x(4, 5), x(6, 5), x(6)], transB=1, alpha=0.5, beta=2.0)
case("Gemm", 13, [x(5, 4), x(5, 6), x(4, 1)], transA=1)
for equation, shapes in (("bhid,bhjd->bhij", ((2, 3, 4, 5), (2, 3, 6, 5))), ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))), ("bchw,khc->bkhw", ((2, 5, 4, 3), (6, 4, 5))),
                         ("...ij->...ji", ((2, 3, 4),)), ("bii->bi", ((2, 3, 3),)), ("...ij,...jk", ((2, 1, 3, 4), (5, 4, 6))), ("ij,kj->", ((3, 4), (2, 4)))):
    case("Einsum", 12, [x(*shape) for shape in shapes], equation=equation)
# Sampling and boxes
GRID = (1.3 * rng.uniform(-1, 1, (1, 5, 7, 2))).astype(np.float32)
for mode16, mode20 in (("bilinear", "linear"), ("nearest", "nearest"), ("bicubic", "cubic")):
    for padding in ("zeros", "border", "reflection"):
        for align in (0, 1):
            case("GridSample", 16, [MAP, GRID], mode=mode16, padding_mode=padding, align_corners=align)
            case("GridSample", 20, [MAP, GRID], mode=mode20, padding_mode=padding, align_corners=align)
CENTRES, SIZES = 20 * rng.random((1, 40, 2)), 2 + 8 * rng.random((1, 40, 2))
CORNERS = np.concatenate([CENTRES - SIZES / 2, CENTRES + SIZES / 2], -1).astype(np.float32)
SCORES = rng.random((1, 3, 40)).astype(np.float32)
for overlap in (0.1, 0.5):
    case("NonMaxSuppression", 11, [CORNERS, SCORES, i64(6), np.array([overlap], np.float32), np.array([0.3], np.float32)])
case("NonMaxSuppression", 11, [np.concatenate([CENTRES, SIZES], -1).astype(np.float32), SCORES, i64(9), np.array([0.3], np.float32)], center_point_box=1)
for opset in (10, 16):
    case("RoiAlign", opset, [MAP, np.array([[0, 0, 16, 12], [3, 2, 9.5, 15]], np.float32), i64(0, 0)], output_height=3, output_width=4, sampling_ratio=2, spatial_scale=0.5)
case("RoiAlign", 16, [MAP, np.array([[0, 0, 16, 12]], np.float32), i64(0)], output_height=2, output_width=2, spatial_scale=0.5, coordinate_transformation_mode="output_half_pixel")
# Elementwise
for op, opset in (("Relu", 14), ("Sigmoid", 13), ("Tanh", 13), ("Exp", 13), ("Erf", 13), ("Softplus", 9), ("Softsign", 9), ("Elu", 9), ("Selu", 9), ("Celu", 12), ("HardSigmoid", 9),
                  ("HardSwish", 14), ("Mish", 18), ("LeakyRelu", 16), ("ThresholdedRelu", 10), ("Abs", 13), ("Neg", 13), ("Floor", 13), ("Ceil", 13), ("Round", 11), ("Sign", 13),
                  ("Reciprocal", 13), ("Sin", 9), ("Cos", 9), ("Atan", 9), ("Sinh", 9), ("Asinh", 9), ("Gelu", 20)):
    case(op, opset, [MAP])
case("Gelu", 20, [MAP], approximate="tanh")
case("HardSigmoid", 9, [MAP], alpha=0.1, beta=0.4)
case("Sqrt", 13, [np.abs(MAP)])
case("Log", 13, [np.abs(MAP) + 0.1])
case("Clip", 9, [MAP], min=-0.5, max=0.5)
case("Clip", 13, [MAP, np.array(-0.5, np.float32), np.array(0.5, np.float32)])
case("Clip", 13, [MAP, None, np.array(0.5, np.float32)])
case("PRelu", 16, [MAP, x(6, 1, 1)])
for op in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
    case(op, 13, [MAP, x(6, 1, 1)])
case("Mean", 13, [MAP, MAP])
case("Pow", 15, [np.abs(MAP), np.array(1.7, np.float32)])
case("Mod", 13, [MAP, np.array(0.7, np.float32)], fmod=1)
for op in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"):
    case(op, 16, [np.round(MAP), np.array(0.0, np.float32)])
case("IsNaN", 13, [MAP])


def model_of(op, opset, operands, outputs, attributes):
    names, constants = [], []
    for i, operand in enumerate(operands):
        names.append("" if operand is None else f"x{i}")
        if operand is not None and i > 0:
            constants.append(numpy_helper.from_array(np.asarray(operand), f"x{i}"))
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], name="node", **attributes)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, operands[0].shape)],
                              [onnx.ValueInfoProto(name=f"y{i}") for i in range(outputs)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model)
    types = {v.name: v for v in inferred.graph.output}
    for output in model.graph.output:  # ONNX Runtime wants element types, not shapes
        output.type.tensor_type.elem_type = types[output.name].type.tensor_type.elem_type
    return model


failures, skipped, worst = [], [], 0.0
for number, (op, opset, operands, outputs, attributes) in enumerate(cases):
    text = f"{op}-{opset} {[o.shape if o is not None else None for o in operands]} {attributes}"
    model = model_of(op, opset, operands, outputs, attributes)
    path, out = scratch / f"{number}.onnx", scratch / f"{number}"
    onnx.save(model, path)
    np.save(scratch / "x0.npy", operands[0])
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        expected = session.run(None, {"x0": operands[0]})
    except Exception as error:  # forms that ONNX Runtime lacks
        skipped.append(f"{text}: {str(error).splitlines()[0][:120]}")
        continue
    run = subprocess.run([binary, "smoke", str(path), "--input", f"x0={scratch / 'x0.npy'}", "--out", str(out)], capture_output=True, text=True)
    if run.returncode != 0:
        failures.append(f"{text}: {run.stderr.strip()}")
        continue
    for i, want in enumerate(expected):
        got = np.load(out / f"y{i}.npy")
        if got.shape != want.shape or got.dtype != want.dtype:
            failures.append(f"{text}: output {i} is {got.dtype}{got.shape}, not {want.dtype}{want.shape}")
            continue
        error = 0.0 if want.size == 0 else float(np.abs(got.astype(np.float64) - want).max() / max(np.abs(want.astype(np.float64)).max(), 1e-12))
        worst = max(worst, error)
        if not error <= TOLERANCE:
            failures.append(f"{text}: output {i} differs by {error:.2e}")
for line in skipped:
    print("not in ONNX Runtime:", line)
for line in failures:
    print("FAILED", line)
print(f"{len(cases)} operator models: {len(cases) - len(failures) - len(skipped)} agree (worst relative difference {worst:.2e}), {len(skipped)} not in ONNX Runtime, {len(failures)} failed")
sys.exit(1 if failures else 0)
