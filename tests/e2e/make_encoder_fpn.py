"""Writes a segmentation network as they are exported, with random weights: an encoder with a plain residual block, a
RegNetY block (grouped convolution, squeeze and excitation), an inverted residual (depthwise, HardSwish), a feature
pyramid (1 x 1 laterals, bilinear Resize, Add) and a head of 117 classes at the input's size. With --pictures, also data:
pictures/, masks/, data.npz (both as arrays, the pictures as the network's input), and as many pictures more in calibration.txt.

    make_encoder_fpn.py FOLDER [--size 512] [--pictures 0] [--seed 1]
"""
import argparse
import pathlib
import struct
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES, IGNORED = 117, 255
SCALE, MEAN, STD = 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Network:
    def __init__(self, rng):
        self.rng = rng
        self.nodes, self.constants = [], []
        self.channels = {"image": 3}

    def constant(self, values):
        name = f"const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(self, op, *inputs, channels=None, **attributes):
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{name}_node", **attributes))
        self.channels[name] = channels or self.channels[inputs[0]]
        return name

    def conv(self, x, out, kernel=1, stride=1, groups=1, gain=1.4, norm=True, centred=False):
        """`centred`: what all inputs have in common favours no output, so that many classes win somewhere."""
        width = self.channels[x] // groups
        weight = self.rng.standard_normal((out, width, kernel, kernel)) * gain / np.sqrt(width * kernel * kernel)
        if centred:
            weight -= weight.mean(axis=1, keepdims=True)
        operands = [x, self.constant(weight)] + ([] if norm else [self.constant(0.1 * self.rng.standard_normal(out))])
        y = self.node("Conv", *operands, channels=out, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups)
        if not norm:
            return y
        parts = [self.rng.uniform(0.8, 1.2, out), 0.1 * self.rng.standard_normal(out), 0.1 * self.rng.standard_normal(out), self.rng.uniform(0.8, 1.2, out)]
        return self.node("BatchNormalization", y, *map(self.constant, parts))

    def relu(self, x):
        return self.node("Relu", x)

    def residual(self, x, out):
        y = self.conv(self.relu(self.conv(x, out, 3, 2)), out, 3, gain=1.0)
        return self.relu(self.node("Add", y, self.conv(x, out, 1, 2, gain=1.0)))

    def squeeze_excite(self, x):
        width = self.channels[x]
        gate = self.conv(self.node("GlobalAveragePool", x), width // 4, norm=False)
        return self.node("Mul", x, self.node("Sigmoid", self.conv(self.relu(gate), width, norm=False)))

    def regnety(self, x, out, groups):
        y = self.relu(self.conv(self.relu(self.conv(x, out)), out, 3, 2, groups=groups))
        y = self.conv(self.squeeze_excite(y), out, gain=2.0)
        return self.relu(self.node("Add", y, self.conv(x, out, 1, 2, gain=1.0)))

    def inverted(self, x, out):
        wide = 4 * self.channels[x]
        y = self.node("HardSwish", self.conv(x, wide))
        y = self.node("HardSwish", self.conv(y, wide, 5, 2, groups=wide))
        return self.conv(y, out, gain=1.0)

    def enlarge(self, x, times):
        scales = self.constant([1, 1, times, times])
        return self.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")


def build(size, rng):
    n = Network(rng)
    x = n.relu(n.conv("image", 16, 3, 2))
    levels = []
    for stage in (lambda x: n.residual(x, 24), lambda x: n.regnety(x, 48, 6), lambda x: n.inverted(x, 64), lambda x: n.regnety(x, 128, 8)):
        x = stage(x)
        levels.append(x)
    laterals = [n.conv(level, 48, gain=1.0, norm=False) for level in levels]
    top = laterals.pop()
    pyramid = [top]
    while laterals:
        top = n.node("Add", laterals.pop(), n.enlarge(top, 2))
        pyramid.insert(0, top)
    merged = None  # all levels at a quarter of the input's size
    for i, level in enumerate(pyramid):
        y = n.relu(n.conv(level, 32, 3))
        y = n.enlarge(y, 2**i) if i else y
        merged = n.node("Add", merged, y) if merged else y
    scores = n.conv(merged, CLASSES, norm=False, centred=True)
    n.enlarge(scores, 4)
    n.nodes[-1].output[0] = "scores"
    sides = ["batch", 3, size, size], ["batch", CLASSES, size, size]
    graph = helper.make_graph(n.nodes, "encoder_fpn", [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides[0])],
                              [helper.make_tensor_value_info("scores", TensorProto.FLOAT, sides[1])], n.constants)
    model = helper.make_model(graph, producer_name="qsweep-tests", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def save_png(path, pixels):
    """8-bit grey [h, w] or RGB [h, w, 3]."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def picture(rng, size):
    """Soft blotches of colour with rectangles and noise on them."""
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(2 * np.pi * (rng.uniform(-5, 5, 3)[:, None, None] * x + rng.uniform(-5, 5, 3)[:, None, None] * y) + rng.uniform(0, 6, 3)[:, None, None]) for _ in range(4)]
    image = 128 + 40 * sum(waves) + 10 * rng.standard_normal((3, size, size))
    for _ in range(12):
        top, left = rng.integers(0, size - size // 4, 2)
        height, width = rng.integers(size // 16, size // 4, 2)
        image[:, top : top + height, left : left + width] = rng.uniform(0, 255, 3)[:, None, None]
    return np.clip(image, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def make_data(folder, size, count, rng):
    """Masks are ONNX Runtime's own answers with a third of the blocks of 8 x 8 set to one class after the other, and a
    twelfth ignored."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(folder / "network.onnx"), providers=["CPUExecutionProvider"])
    for name in ("pictures", "masks", "calibration"):
        (folder / name).mkdir()
    inputs, masks = [], []
    for i in range(count):
        pixels = picture(rng, size)
        x = (pixels.astype(np.float32) / SCALE - np.float32(MEAN)) / np.float32(STD)
        inputs.append(x.transpose(2, 0, 1))
        mask = session.run(None, {"image": inputs[-1][None]})[0][0].argmax(0)
        blocks = rng.permutation((size // 8) ** 2).reshape(size // 8, size // 8)
        fate = np.kron(blocks, np.ones((8, 8), blocks.dtype))
        changed, ignored = blocks.size // 3, blocks.size // 12
        mask = np.where(fate < changed, (fate + i * changed) % CLASSES, mask)
        mask[fate >= blocks.size - ignored] = IGNORED
        masks.append(mask.astype(np.uint8))
        save_png(folder / "pictures" / f"{i}.png", pixels)
        save_png(folder / "masks" / f"{i}.png", masks[-1])
        save_png(folder / "calibration" / f"{i}.png", picture(rng, size))
    (folder / "calibration.txt").write_text("".join(f"calibration/{i}.png\n" for i in range(count)))
    np.savez(folder / "data.npz", inputs=np.array(inputs), masks=np.array(masks))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pictures", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    args.folder.mkdir(parents=True, exist_ok=True)
    onnx.save(build(args.size, rng), str(args.folder / "network.onnx"))
    (args.folder / "network.yaml").write_text(
        f"task: segmentation\nclasses: {CLASSES}\ninput: {{layout: NCHW, color: RGB, scale: {SCALE}, mean: {MEAN}, std: {STD}, "
        f"resize: {{mode: stretch, size: [{args.size}, {args.size}], interpolation: bilinear}}}}\n")
    if args.pictures:
        make_data(args.folder, args.size, args.pictures, rng)


if __name__ == "__main__":
    main()
