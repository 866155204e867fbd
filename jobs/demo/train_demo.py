#!/usr/bin/env python3
"""Trains the demo's network and writes demo_cnn.onnx. Maintainers only: the file is in the repository.

    OPENBLAS_NUM_THREADS=1 train_demo.py [--out FILE] [--images N] [--epochs N]       about five minutes on an idle core

A residual network of ten quantizable layers: stem, three stacks of two 3x3 convolutions (8, 16 and 32
channels, 1x1 shortcuts where the size changes), global average pooling, a fully connected layer.
Batch normalisation stays in the exported graph (opset 17, input [N, 3, 32, 32], logits out). Training
is im2col and BLAS in NumPy: SGD with Nesterov momentum, one learning-rate cycle, freshly drawn pictures
that are in neither eval.bin nor train.bin. Needs NumPy and onnx.
"""

import argparse
import pathlib
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import make_demo

CHANNELS = (8, 16, 32)
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)  # of pixels / 255; the same in demo_cnn.yaml
EPSILON, MOMENTUM = 1e-5, 0.05


class Conv:
    """3x3 (padding 1) or 1x1 convolution without bias; activations are NHWC, the weight [k, k, in, out]."""

    def __init__(self, rng, fan_in, fan_out, kernel, stride):
        scale = np.sqrt(2 / (kernel * kernel * fan_in))
        self.weight = (rng.normal(size=(kernel, kernel, fan_in, fan_out)) * scale).astype(np.float32)
        self.kernel, self.stride = kernel, stride

    def taps(self, height):
        """The strided window of each kernel position over a padded input."""
        span = (height - 1) * self.stride + 1
        for i in range(self.kernel):
            for j in range(self.kernel):
                yield (slice(None), slice(i, i + span, self.stride), slice(j, j + span, self.stride))

    def forward(self, x, training):
        pad = self.kernel // 2
        padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        self.padded_shape, self.out_side = padded.shape, x.shape[1] // self.stride
        self.columns = np.concatenate([padded[t] for t in self.taps(self.out_side)], axis=3)
        self.columns = self.columns.reshape(-1, self.columns.shape[3])
        out = self.columns @ self.weight.reshape(self.columns.shape[1], -1)
        return out.reshape(len(x), self.out_side, self.out_side, -1)

    def backward(self, grad):
        flat = grad.reshape(-1, grad.shape[3])
        self.grads = [(self.columns.T @ flat).reshape(self.weight.shape)]
        columns = flat @ self.weight.reshape(-1, grad.shape[3]).T
        columns = columns.reshape(*grad.shape[:3], -1, self.weight.shape[2])
        padded = np.zeros(self.padded_shape, np.float32)
        for tap, t in enumerate(self.taps(self.out_side)):
            padded[t] += columns[:, :, :, tap]
        pad = self.kernel // 2
        return padded[:, pad : padded.shape[1] - pad, pad : padded.shape[2] - pad]

    def parameters(self):
        return [self.weight]


class BatchNorm:
    def __init__(self, channels):
        self.gamma, self.beta = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        self.mean, self.var = np.zeros(channels, np.float32), np.ones(channels, np.float32)

    def forward(self, x, training):
        if training:
            flat = x.reshape(-1, x.shape[3])
            mean, var = flat.mean(axis=0), flat.var(axis=0)
            self.mean += MOMENTUM * (mean - self.mean)
            self.var += MOMENTUM * (var - self.var)
        else:
            mean, var = self.mean, self.var
        self.inverse = 1 / np.sqrt(var + np.float32(EPSILON))
        self.normal = (x - mean) * self.inverse
        return self.normal * self.gamma + self.beta

    def backward(self, grad):
        count = np.float32(grad.size / grad.shape[3])
        beta = np.einsum("nhwc->c", grad)
        gamma = np.einsum("nhwc,nhwc->c", grad, self.normal)
        self.grads = [gamma, beta]
        return self.gamma * self.inverse * (grad - beta / count - self.normal * (gamma / count))

    def parameters(self):
        return [self.gamma, self.beta]


class Relu:
    def forward(self, x, training):
        self.positive = x > 0
        return x * self.positive

    def backward(self, grad):
        return grad * self.positive


class Stack:
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))"""

    def __init__(self, rng, fan_in, fan_out, stride):
        self.conv1, self.bn1, self.relu1 = Conv(rng, fan_in, fan_out, 3, stride), BatchNorm(fan_out), Relu()
        self.conv2, self.bn2, self.relu2 = Conv(rng, fan_out, fan_out, 3, 1), BatchNorm(fan_out), Relu()
        self.shortcut = Conv(rng, fan_in, fan_out, 1, stride) if stride != 1 or fan_in != fan_out else None
        self.bn3 = BatchNorm(fan_out) if self.shortcut else None

    def main(self):
        return [self.conv1, self.bn1, self.relu1, self.conv2, self.bn2]

    def side(self):
        return [self.shortcut, self.bn3] if self.shortcut else []

    def forward(self, x, training):
        main, side = x, x
        for layer in self.main():
            main = layer.forward(main, training)
        for layer in self.side():
            side = layer.forward(side, training)
        return self.relu2.forward(main + side, training)

    def backward(self, grad):
        main = side = self.relu2.backward(grad)
        for layer in reversed(self.main()):
            main = layer.backward(main)
        for layer in reversed(self.side()):
            side = layer.backward(side)
        return main + side


class Network:
    def __init__(self, rng):
        self.stem, self.bn, self.relu = Conv(rng, 3, CHANNELS[0], 3, 1), BatchNorm(CHANNELS[0]), Relu()
        widths = (CHANNELS[0], *CHANNELS)
        self.stacks = [Stack(rng, widths[i], widths[i + 1], 1 if i == 0 else 2) for i in range(3)]
        self.weight = (rng.normal(size=(10, CHANNELS[2])) / np.sqrt(CHANNELS[2])).astype(np.float32)
        self.bias = np.zeros(10, np.float32)

    def layers(self):
        return [self.stem, self.bn, self.relu, *self.stacks]

    def forward(self, x, training=False):
        for layer in self.layers():
            x = layer.forward(x, training)
        self.map_shape, self.pooled = x.shape, x.mean(axis=(1, 2))
        return self.pooled @ self.weight.T + self.bias

    def backward(self, grad):
        self.grads = [grad.T @ self.pooled, grad.sum(axis=0)]
        pixels = self.map_shape[1] * self.map_shape[2]
        x = np.broadcast_to((grad @ self.weight / pixels)[:, None, None], self.map_shape)
        for layer in reversed(self.layers()):
            x = layer.backward(x)

    def trainable(self):
        """(parameter, its gradient, whether weight decay applies) of every layer."""
        flat = [self.stem, self.bn]
        for stack in self.stacks:
            flat += [layer for layer in stack.main() + stack.side() if not isinstance(layer, Relu)]
        pairs = [pair for layer in flat for pair in zip(layer.parameters(), layer.grads)]
        pairs += zip([self.weight, self.bias], self.grads)
        return [(p, g, p.ndim > 1) for p, g in pairs]


def normalised(images):
    """uint8 NCHW pictures as the network's NHWC input."""
    x = (images.astype(np.float32) / 255 - np.float32(MEAN)[:, None, None]) / np.float32(STD)[:, None, None]
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def accuracy(network, images, labels):
    hits = [
        (network.forward(normalised(images[i : i + 100])).argmax(axis=1) == labels[i : i + 100]).sum()
        for i in range(0, len(images), 100)
    ]
    return sum(hits) / len(images)


def train(network, rng, count, epochs, batch=64, peak=0.15, decay=2e-4):
    images, labels = make_demo.draw_set(count, make_demo.TRAINING_SEED)
    check = make_demo.draw_set(1000, make_demo.TRAINING_SEED + 1)
    steps, step, started = epochs * (count // batch), 0, time.time()
    velocity = None
    for epoch in range(epochs):
        order, loss_sum = rng.permutation(count), 0.0
        for i in range(count // batch):
            chosen = order[i * batch : (i + 1) * batch]
            x = normalised(images[chosen])
            if rng.random() < 0.5:
                x = np.ascontiguousarray(x[:, :, ::-1])  # the mirror image of a figure is that figure
            if rng.random() < 0.5:
                x = np.ascontiguousarray(x[:, ::-1])
            logits = network.forward(x, training=True)
            logits -= logits.max(axis=1, keepdims=True)
            probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            loss_sum -= np.log(probability[np.arange(batch), labels[chosen]] + 1e-12).mean()
            probability[np.arange(batch), labels[chosen]] -= 1
            network.backward(probability / np.float32(batch))
            done = step / steps
            rate = peak * (done / 0.15 if done < 0.15 else 0.5 * (1 + np.cos(np.pi * (done - 0.15) / 0.85)))
            trainable = network.trainable()
            velocity = velocity or [np.zeros_like(p) for p, _, _ in trainable]
            for (parameter, gradient, decays), v in zip(trainable, velocity):
                gradient = gradient + np.float32(decay) * parameter if decays else gradient
                v *= np.float32(0.9)
                v += gradient
                parameter -= np.float32(rate) * (gradient + np.float32(0.9) * v)
            step += 1
        print(f"epoch {epoch + 1}/{epochs}: loss {loss_sum / (count // batch):.3f},"
              f" check {accuracy(network, *check):.3f}, {time.time() - started:.0f} s", flush=True)


def export(network, path):
    nodes, weights = [], []

    def constant(name, value):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(kind, name, inputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, [name + ".out"], name=name, **attributes))
        return name + ".out"

    def conv_bn(name, bn_name, x, conv, bn):
        pad = conv.kernel // 2
        x = node("Conv", name, [x, constant(name + ".weight", conv.weight.transpose(3, 2, 0, 1))],
                 kernel_shape=[conv.kernel] * 2, strides=[conv.stride] * 2, pads=[pad] * 4)
        names = (".weight", ".bias", ".running_mean", ".running_var")
        values = (bn.gamma, bn.beta, bn.mean, bn.var)
        constants = [constant(bn_name + suffix, value) for suffix, value in zip(names, values)]
        return node("BatchNormalization", bn_name, [x, *constants], epsilon=EPSILON)

    x = node("Relu", "stem.relu", [conv_bn("stem.conv", "stem.bn", "input", network.stem, network.bn)])
    for index, stack in enumerate(network.stacks, 1):
        name = f"stack{index}."
        main = conv_bn(name + "conv1", name + "bn1", x, stack.conv1, stack.bn1)
        main = node("Relu", name + "relu1", [main])
        main = conv_bn(name + "conv2", name + "bn2", main, stack.conv2, stack.bn2)
        if stack.shortcut:
            x = conv_bn(name + "shortcut", name + "bn3", x, stack.shortcut, stack.bn3)
        x = node("Relu", name + "relu2", [node("Add", name + "add", [main, x])])
    x = node("Flatten", "flatten", [node("GlobalAveragePool", "pool", [x])], axis=1)
    nodes.append(helper.make_node(
        "Gemm", [x, constant("fc.weight", network.weight), constant("fc.bias", network.bias)],
        ["logits"], name="fc", transB=1))
    graph = helper.make_graph(
        nodes, "demo_cnn",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="train_demo.py")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "demo_cnn.onnx")
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    network = Network(rng)
    train(network, rng, options.images, options.epochs)
    export(network, options.out)
    print(f"eval.bin: {accuracy(network, *make_demo.draw_set(make_demo.EVALUATION_IMAGES, make_demo.EVALUATION_SEED)):.4f}")


if __name__ == "__main__":
    main()
