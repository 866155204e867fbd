"""Quantizers and operators on codes in qsweep (smoke) and in ONNX Runtime without its optimizations: the outputs must be equal, bit for bit
where the arithmetic is integer or elementwise."""
import pathlib
import subprocess
import sys

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h

binary, scratch = sys.argv[1], pathlib.Path(sys.argv[2])
rng = np.random.default_rng(11)
CODES = {T.UINT8: np.uint8, T.INT8: np.int8, T.UINT16: np.uint16, T.INT16: np.int16, T.UINT4: ml_dtypes.uint4, T.INT4: ml_dtypes.int4,
         T.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn, T.FLOAT8E5M2: ml_dtypes.float8_e5m2, T.INT32: np.int32, T.FLOAT: np.float32, T.FLOAT16: np.float16}
LIMITS = {T.UINT8: (0, 255), T.INT8: (-128, 127), T.UINT16: (0, 65535), T.INT16: (-32768, 32767), T.UINT4: (0, 15), T.INT4: (-8, 7)}
failures, unknown, count = [], [], 0


class Net:
    def __init__(self, opset=21):
        self.opset, self.nodes, self.constants, self.domains = opset, [], [], {"": opset}

    def constant(self, values, dtype):
        values = np.asarray(values)
        name = f"c{len(self.constants)}"
        raw = values.astype(CODES[dtype])
        if dtype in (T.UINT4, T.INT4):
            nibbles = raw.astype(np.int8).astype(np.uint8).ravel() & 15
            nibbles = np.append(nibbles, np.uint8(0)) if nibbles.size % 2 else nibbles
            raw = nibbles[::2] | nibbles[1::2] << 4
        self.constants.append(h.make_tensor(name, dtype, values.shape, raw.tobytes(), raw=True))
        return name

    def node(self, op, inputs, domain="", **attributes):
        output = f"t{len(self.nodes)}"
        self.domains.setdefault(domain, 1)
        self.nodes.append(h.make_node(op, inputs, [output], name=f"n{len(self.nodes)}", domain=domain, **attributes))
        return output

    def check(self, text, x, output, dtype=T.FLOAT, near=0):
        """`near`: by how much codes or values may differ in a few places."""
        global count
        count += 1
        graph = h.make_graph(self.nodes, "g", [h.make_tensor_value_info("x", h.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
                             [h.make_tensor_value_info(output, dtype, None)], self.constants)
        model = h.make_model(graph, opset_imports=[h.make_opsetid(d, v) for d, v in self.domains.items()], ir_version=10 if self.opset >= 21 else 9)
        path, out = scratch / "m.onnx", scratch / f"out{count}"
        onnx.save(model, path)
        np.save(scratch / "x.npy", x)
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        try:
            want = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        except Exception as error:
            unknown.append(f"{text}: {str(error).splitlines()[0][:110]}")
            return
        run = subprocess.run([binary, "smoke", str(path), "--input", f"x={scratch / 'x.npy'}", "--out", str(out)], capture_output=True, text=True)
        if run.returncode != 0:
            failures.append(f"{text}: {run.stderr.strip()}")
            return
        got = np.load(out / f"{output}.npy")
        if got.dtype != want.dtype or got.shape != want.shape:
            failures.append(f"{text}: {got.dtype}{got.shape}, not {want.dtype}{want.shape}")
            return
        a, b = got.astype(np.float64), want.astype(np.float64)
        differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        if differ.any() and not (near and np.abs(a - b)[differ].max() <= near and differ.mean() < 0.01):
            failures.append(f"{text}: {int(differ.sum())} of {differ.size} differ, by up to {np.nanmax(np.abs(a - b)):.3g}")


def floats(*shape):
    values = (rng.standard_normal(shape) * 3).astype(np.float32)
    edges = [0, 1e4, -1e4, 0.125][:values.size]
    values.ravel()[:len(edges)] = edges
    return values


def zeros(dtype, shape):
    if dtype not in LIMITS:
        return np.zeros(shape)
    low, high = LIMITS[dtype]
    return rng.integers(low + (high - low) // 4, high - (high - low) // 4 + 1, shape)


def quantizers():
    """QuantizeLinear and DequantizeLinear of one tensor, in every form."""
    def pair(text, opset, dtype, shape, scale_shape, with_zero=True, domain="", scale_type=T.FLOAT, quantize={}, **both):
        net, x = Net(opset), floats(*shape)
        scale = net.constant(np.exp2(rng.uniform(-5, -2, scale_shape)), scale_type)
        zero = [net.constant(zeros(dtype, scale_shape), dtype)] if with_zero else []
        source = "x" if scale_type == T.FLOAT else net.node("Cast", ["x"], to=scale_type)
        q = net.node("QuantizeLinear", [source, scale, *zero], domain, **both, **quantize)
        y = net.node("DequantizeLinear", [q, scale, *zero], domain, **both)
        if scale_type != T.FLOAT:
            y = net.node("Cast", [y], to=T.FLOAT)
        net.check(f"{domain} QuantizeLinear-{opset} {text}", x, y)

    for opset in (10, 13, 19, 21):
        for dtype in (T.UINT8, T.INT8):
            pair(f"{dtype} per tensor", opset, dtype, (2, 3, 5, 7), ())
            if opset >= 13:
                pair(f"{dtype} axis 1", opset, dtype, (2, 3, 5, 7), (3,), axis=1)
                pair(f"{dtype} axis -1", opset, dtype, (4, 6), (6,), axis=-1)
        pair("no zero point", opset, T.UINT8, (2, 3, 5, 7), (), with_zero=False)
    for dtype in (T.UINT16, T.INT16, T.UINT4, T.INT4):
        pair(f"{dtype} per tensor", 21, dtype, (2, 3, 5, 7), ())
        pair(f"{dtype} axis 1", 21, dtype, (2, 3, 5, 7), (3,), axis=1)
        pair(f"{dtype} output_dtype", 21, dtype, (2, 3, 5, 7), (), with_zero=False, quantize={"output_dtype": dtype})
    for dtype in (T.UINT8, T.INT8, T.UINT4, T.INT4, T.INT16):
        pair(f"{dtype} blocks of 4 along 1", 21, dtype, (3, 10, 2), (3, 3, 2), axis=1, block_size=4)
        pair(f"{dtype} blocks of 3 along 0", 21, dtype, (7, 5), (3, 5), axis=0, block_size=3)
        pair(f"{dtype} blocks of 8 along -1", 21, dtype, (4, 16), (4, 2), axis=-1, block_size=8)
        pair(f"{dtype} blocks, no zero point", 21, dtype, (4, 16), (4, 2), with_zero=False, axis=1, block_size=8, quantize={"output_dtype": dtype})
    for opset in (19, 21):
        for dtype in (T.FLOAT8E4M3FN, T.FLOAT8E5M2):
            pair(f"{dtype} per tensor", opset, dtype, (2, 3, 5, 7), ())
            pair(f"{dtype} axis 1", opset, dtype, (2, 3, 5, 7), (3,), axis=1)
            pair(f"{dtype} without saturation", opset, dtype, (2, 3, 5, 7), (), quantize={"saturate": 0})
        for dtype in (T.UINT8, T.INT8):
            pair(f"{dtype} half scale", opset, dtype, (2, 3, 5, 7), (), scale_type=T.FLOAT16)
            pair(f"{dtype} half scales", opset, dtype, (2, 3, 5, 7), (3,), scale_type=T.FLOAT16, axis=1)
    for dtype in (T.UINT8, T.INT8, T.UINT16, T.INT16, T.UINT4, T.INT4):
        pair(f"{dtype} per tensor", 13, dtype, (2, 3, 5, 7), (), domain="com.microsoft")
        if dtype not in (T.UINT4, T.INT4):
            pair(f"{dtype} axis 1", 13, dtype, (2, 3, 5, 7), (3,), domain="com.microsoft", axis=1)

    def constant(text, dtype, shape, scale_shape, scale_type=T.FLOAT, low=None, high=None, with_zero=True, **attributes):
        net, x = Net(21), floats(1)
        low, high = LIMITS.get(dtype, (low, high))
        if dtype in (T.FLOAT8E4M3FN, T.FLOAT8E5M2):
            codes = rng.standard_normal(shape) * 30
        else:
            codes = rng.integers(low, high + 1, shape)
        scale = net.constant(np.exp2(rng.uniform(-5, -2, scale_shape)), scale_type)
        zero = [net.constant(zeros(dtype, scale_shape), dtype)] if with_zero else []
        y = net.node("DequantizeLinear", [net.constant(codes, dtype), scale, *zero], **attributes)
        y = y if scale_type == T.FLOAT else net.node("Cast", [y], to=T.FLOAT)
        net.check(f"DequantizeLinear-21 {text}", x, net.node("Add", [y, "x"]))

    for n in (1, 6):
        constant(f"int32 bias, {n} scales", T.INT32, (6,), () if n == 1 else (6,), low=-2**31, high=2**31 - 1, with_zero=False, axis=0)
    for dtype in (T.INT4, T.UINT4, T.INT8, T.FLOAT8E4M3FN):
        for scale_type in (T.FLOAT, T.FLOAT16):
            constant(f"{dtype} weight in blocks of 32, {scale_type}", dtype, (5, 70), (5, 3), scale_type, axis=1, block_size=32)
            constant(f"{dtype} weight in blocks of 4, {scale_type}", dtype, (9, 3, 2), (3, 3, 2), scale_type, axis=0, block_size=4)
            constant(f"{dtype} weight per channel, {scale_type}", dtype, (5, 7), (5,), scale_type, axis=0)


def products():
    """Operators on codes. Inputs are codes made by a QuantizeLinear, so both programs start from the same."""
    def coded(net, dtype, scale=2**-5 * 1.3, zero=None):
        s, z = net.constant(scale, T.FLOAT), net.constant(zeros(dtype, ()) if zero is None else zero, dtype)
        return [net.node("QuantizeLinear", ["x", s, z]), s, z]

    def weight(net, dtype, shape, scales, low=None, symmetric=True):
        lo, hi = LIMITS[dtype]
        z = np.zeros(scales) if symmetric and dtype == T.INT8 else zeros(dtype, scales)
        return [net.constant(rng.integers(lo, hi + 1, shape), dtype), net.constant(np.exp2(rng.uniform(-8, -6, scales)), T.FLOAT), net.constant(z, dtype)]

    def form(net, dtype, scale=0.11):
        return [net.constant(scale, T.FLOAT), net.constant(zeros(dtype, ()), dtype)]

    for x_type in (T.UINT8, T.INT8):
        for w_type in (T.INT8, T.UINT8):
            for options in ({}, {"pads": [1, 1, 1, 1]}, {"pads": [0, 1, 2, 1], "strides": [2, 1]}, {"dilations": [2, 2]}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
                            {"group": 2, "pads": [1, 1, 1, 1]}, {"group": 6}):
                group, x = options.get("group", 1), floats(2, 6, 9, 11)
                net = Net()
                a = coded(net, x_type)
                w = weight(net, w_type, (12, 6 // group, 3, 3), ())
                net.check(f"ConvInteger {x_type} {w_type} {options}", x, net.node("ConvInteger", [a[0], w[0], a[2], w[2]], **options), T.INT32)
                for scales in ((), (12,)) if w_type == T.INT8 else ((),) if x_type == T.UINT8 else ():
                    net = Net()
                    bias = net.constant(rng.integers(-4000, 4000, 12), T.INT32)
                    y = net.node("QLinearConv", coded(net, x_type) + weight(net, w_type, (12, 6 // group, 3, 3), scales) + form(net, x_type) + [bias], **options)
                    net.check(f"QLinearConv {x_type} {w_type} {scales} {options}", x, y, x_type)
            for shape, columns in (((5, 40), 7), ((2, 3, 40), 7), ((40,), 3)):
                net, x = Net(), floats(*shape)
                a, w = coded(net, x_type), weight(net, w_type, (40, columns), ())
                net.check(f"MatMulInteger {x_type} {w_type} {shape}", x, net.node("MatMulInteger", [a[0], w[0], a[2], w[2]]), T.INT32)
                for scales in ((), (columns,)) if x_type == T.UINT8 or w_type == T.INT8 else ():
                    net = Net()
                    y = net.node("QLinearMatMul", coded(net, x_type) + weight(net, w_type, (40, columns), scales) + form(net, x_type, 0.4))
                    net.check(f"QLinearMatMul {x_type} {w_type} {shape} {scales}", x, y, x_type)
        for transposed in (0, 1):
            for with_bias, with_form in ((1, 1), (0, 1), (1, 0)):
                net, x = Net(), floats(5, 40)
                w = weight(net, T.INT8, (7, 40) if transposed else (40, 7), (7,))
                bias = net.constant(rng.integers(-4000, 4000, 7), T.INT32) if with_bias else ""
                operands = coded(net, x_type) + w + [bias] + (form(net, x_type, 0.4) if with_form else [])
                y = net.node("QGemm", operands, "com.microsoft", transB=transposed, alpha=1.0 if with_form else 0.5)
                net.check(f"QGemm {x_type} transB={transposed} bias={with_bias} codes={with_form}", x, y, x_type if with_form else T.FLOAT)
        for shape in ((2, 6, 5, 7), (1,), (6, 1, 1), (5, 7)):
            for op in ("QLinearAdd", "QLinearMul"):
                net, x = Net(), floats(2, 6, 5, 7)
                b = [net.constant(rng.integers(*LIMITS[x_type], shape), x_type), *form(net, x_type, 0.07)]
                net.check(f"{op} {x_type} {shape}", x, net.node(op, coded(net, x_type) + b + form(net, x_type, 0.13), "com.microsoft"), x_type)
                net = Net()
                b = [net.constant(rng.integers(*LIMITS[x_type], shape), x_type), *form(net, x_type, 0.0625)]
                net.check(f"{op} {x_type} {shape} on ties", x, net.node(op, coded(net, x_type, 0.0625) + b + form(net, x_type, 0.125), "com.microsoft"), x_type)
        for op in ("QLinearSigmoid", "QLinearLeakyRelu"):
            net = Net()
            net.check(f"{op} {x_type}", floats(2, 6, 5, 7), net.node(op, coded(net, x_type) + form(net, x_type, 1 / 200), "com.microsoft"), x_type, near=1)
        if x_type == T.UINT8:
            net = Net()
            net.check("QLinearSoftmax", floats(2, 30), net.node("QLinearSoftmax", coded(net, x_type) + form(net, x_type, 1 / 256), "com.microsoft", axis=-1, opset=13), x_type, near=1)
        for scale in (0.05, 2**-5 * 1.3, 0.0625):
            net = Net()
            net.check(f"QLinearGlobalAveragePool {x_type} {scale}", floats(2, 6, 5, 7),
                      net.node("QLinearGlobalAveragePool", coded(net, x_type, 0.0625) + form(net, x_type, scale), "com.microsoft"), x_type)
            for options in ({"kernel_shape": [2, 2], "strides": [2, 2]}, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
                            {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1}):
                net = Net()
                net.check(f"QLinearAveragePool {x_type} {scale} {options}", floats(2, 6, 8, 8),
                          net.node("QLinearAveragePool", coded(net, x_type, 0.0625) + form(net, x_type, scale), "com.microsoft", **options), x_type)
        net = Net()
        parts = coded(net, x_type) + coded(net, x_type, 0.09)
        net.check(f"QLinearConcat {x_type}", floats(2, 6, 5, 7), net.node("QLinearConcat", form(net, x_type, 0.06) + parts, "com.microsoft", axis=1), x_type)
    # Sums beyond 2^24, which a float cannot hold.
    net, x = Net(), np.full((1, 600, 3, 3), 300, np.float32)
    a = coded(net, T.UINT8, 1.0, 0)
    w = net.constant(np.where(rng.random((2, 600, 3, 3)) < 0.9, 127, -126), T.INT8)
    net.check("ConvInteger beyond 2^24", x, net.node("ConvInteger", [a[0], w, a[2]], pads=[1, 1, 1, 1]), T.INT32)
    net, x = Net(), floats(3, 40)
    q = [f"d{i}" for i in range(3)]
    net.nodes.append(h.make_node("DynamicQuantizeLinear", ["x"], q, name="dynamic"))
    w = weight(net, T.INT8, (40, 5), ())
    sums = net.node("Cast", [net.node("MatMulInteger", [q[0], w[0], q[2], w[2]])], to=T.FLOAT)
    net.check("DynamicQuantizeLinear", x, net.node("Mul", [sums, net.node("Mul", [q[1], w[1]])]))


quantizers()
products()
for line in unknown:
    print("not in ONNX Runtime:", line)
for line in failures:
    print("FAILED", line)
print(f"{count} models: {count - len(failures) - len(unknown)} equal, {len(unknown)} not in ONNX Runtime, {len(failures)} failed")
sys.exit(1 if failures or 10 * len(unknown) > count else 0)
