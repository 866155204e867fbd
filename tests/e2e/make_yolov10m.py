"""Writes a detector with the structure, shapes and operators of an exported YOLOv10m (C2f, SCDown, C2fCIB, SPPF, PSA
attention, one-to-one head without its decoder) and random weights: 640 x 640 in, [N, 144, 8400] out.

    make_yolov10m.py OUT.onnx [--size 640] [--seed 1]
"""
import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

REG_MAX, CLASSES = 16, 80


class Builder:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], []
        self.channels = {}  # by value
        self.count = 0

    def constant(self, array, name=None):
        name = name or f"const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, outputs=1, channels=None, **attributes):
        self.count += 1
        names = [f"/{op}_{self.count}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"/{op}_{self.count}", **attributes))
        widths = channels if isinstance(channels, list) else [channels] * outputs
        for name, width in zip(names, widths):
            self.channels[name] = width
        return names if outputs > 1 else names[0]

    def conv(self, x, out, kernel=1, stride=1, groups=1, act=True, gain=1.4, name=None):
        """Convolution with its BatchNormalization folded, then SiLU as exporters write it."""
        width = self.channels[x]
        fan_in = width // groups * kernel * kernel
        weight = self.rng.standard_normal((out, width // groups, kernel, kernel)) * gain / np.sqrt(fan_in)
        bias = 0.1 * self.rng.standard_normal(out)
        self.count += 1
        name = name or f"model.{self.count}.conv"
        operands = [x, self.constant(weight.astype(np.float32), name + ".weight"), self.constant(bias.astype(np.float32), name + ".bias")]
        pad = kernel // 2
        y = self.node("Conv", operands, channels=out, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, dilations=[1, 1], group=groups)
        return self.node("Mul", [y, self.node("Sigmoid", [y], channels=out)], channels=out) if act else y

    def add(self, a, b):
        return self.node("Add", [a, b], channels=self.channels[a])

    def concat(self, parts):
        return self.node("Concat", parts, channels=sum(self.channels[p] for p in parts), axis=1)

    def halves(self, x):
        half = self.channels[x] // 2
        return self.node("Split", [x, self.constant(np.array([half, half], np.int64))], outputs=2, channels=half, axis=1)

    def bottleneck(self, x, shortcut):
        width = self.channels[x]
        y = self.conv(self.conv(x, width, 3), width, 3, gain=0.7)
        return self.add(x, y) if shortcut else y

    def inverted(self, x, shortcut):
        """CIB: depthwise, pointwise, depthwise, pointwise, depthwise."""
        width = self.channels[x]
        y = self.conv(x, width, 3, groups=width)
        y = self.conv(y, 2 * width)
        y = self.conv(y, 2 * width, 3, groups=2 * width)
        y = self.conv(y, width)
        y = self.conv(y, width, 3, groups=width, gain=0.7)
        return self.add(x, y) if shortcut else y

    def c2f(self, x, out, repeats, block, shortcut):
        parts = self.halves(self.conv(x, out))
        for _ in range(repeats):
            parts.append(block(parts[-1], shortcut))
        return self.conv(self.concat(parts), out)

    def down(self, x, out):
        """SCDown: pointwise, then a strided depthwise convolution without activation."""
        return self.conv(self.conv(x, out), out, 3, 2, groups=out, act=False)

    def sppf(self, x, out):
        parts = [self.conv(x, self.channels[x] // 2)]
        for _ in range(3):
            parts.append(self.node("MaxPool", [parts[-1]], channels=self.channels[parts[0]], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4))
        return self.conv(self.concat(parts), out)

    def attention(self, x, side):
        width = self.channels[x]
        heads = width // 64
        head = width // heads
        key = head // 2
        places = side * side
        qkv = self.conv(x, width + 2 * key * heads, act=False, gain=1.0)
        qkv = self.node("Reshape", [qkv, self.constant(np.array([-1, heads, 2 * key + head, places], np.int64))])
        q, k, v = self.node("Split", [qkv, self.constant(np.array([key, key, head], np.int64))], outputs=3, axis=2)
        scores = self.node("MatMul", [self.node("Transpose", [q], perm=[0, 1, 3, 2]), k])
        scores = self.node("Mul", [scores, self.constant(np.float32(key**-0.5))])
        weights = self.node("Transpose", [self.node("Softmax", [scores], axis=-1)], perm=[0, 1, 3, 2])
        shape = self.constant(np.array([-1, width, side, side], np.int64))
        mixed = self.node("Reshape", [self.node("MatMul", [v, weights]), shape], channels=width)
        place = self.conv(self.node("Reshape", [v, shape], channels=width), width, 3, groups=width, act=False, gain=0.7)
        return self.conv(self.add(mixed, place), width, act=False, gain=1.0)

    def psa(self, x, side):
        a, b = self.halves(self.conv(x, self.channels[x]))
        b = self.add(b, self.attention(b, side))
        b = self.add(b, self.conv(self.conv(b, 2 * self.channels[b]), self.channels[b], act=False, gain=0.7))
        return self.conv(self.concat([a, b]), self.channels[x])

    def upsample(self, x):
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", [x, "", scales], channels=self.channels[x], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")

    def level(self, x, class_width):
        box = self.conv(self.conv(self.conv(x, 64, 3), 64, 3), 4 * REG_MAX, act=False)
        y = self.conv(self.conv(x, self.channels[x], 3, groups=self.channels[x]), class_width)
        y = self.conv(self.conv(y, class_width, 3, groups=class_width), class_width)
        both = self.concat([box, self.conv(y, CLASSES, act=False)])
        return self.node("Reshape", [both, self.constant(np.array([0, 4 * REG_MAX + CLASSES, -1], np.int64))], channels=4 * REG_MAX + CLASSES)


def build(size, seed):
    b = Builder(seed)
    b.channels["images"] = 3
    x = b.conv("images", 48, 3, 2)
    x = b.conv(x, 96, 3, 2)
    x = b.c2f(x, 96, 2, b.bottleneck, True)
    x = b.conv(x, 192, 3, 2)
    p3 = b.c2f(x, 192, 4, b.bottleneck, True)
    p4 = b.c2f(b.down(p3, 384), 384, 4, b.bottleneck, True)
    x = b.c2f(b.down(p4, 576), 576, 2, b.inverted, True)
    p5 = b.psa(b.sppf(x, 576), size // 32)
    n4 = b.c2f(b.concat([b.upsample(p5), p4]), 384, 2, b.bottleneck, False)
    o3 = b.c2f(b.concat([b.upsample(n4), p3]), 192, 2, b.bottleneck, False)
    o4 = b.c2f(b.concat([b.conv(o3, 192, 3, 2), n4]), 384, 2, b.inverted, True)
    o5 = b.c2f(b.concat([b.down(o4, 384), p5]), 576, 2, b.inverted, True)
    levels = [b.level(o, 192) for o in (o3, o4, o5)]
    b.nodes.append(helper.make_node("Concat", levels, ["output0"], name="/model.23/Concat", axis=2))
    places = sum((size // s) ** 2 for s in (8, 16, 32))
    graph = helper.make_graph(b.nodes, "yolov10m_shaped", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, size, size])],
                              [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 * REG_MAX + CLASSES, places])], b.constants)
    model = helper.make_model(graph, producer_name="qsweep-tests", opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    model = build(args.size, args.seed)
    onnx.save(model, args.out)
    parameters = sum(int(np.prod(t.dims)) for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    layers = sum(n.op_type in ("Conv", "MatMul") for n in model.graph.node)
    print(f"{args.out}: {parameters / 1e6:.1f} M parameters, {len(model.graph.node)} nodes, {layers} Conv and MatMul")


if __name__ == "__main__":
    main()
