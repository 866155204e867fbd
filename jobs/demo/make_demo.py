#!/usr/bin/env python3
"""Draws the demo's images: ten kinds of figures, in the binary format of CIFAR-10.

    make_demo.py [--out DIR]        writes eval.bin and train.bin (a second)

A record is one label byte and 3,072 bytes: the red, green and blue planes of a 32 x 32 picture, row by
row. Every picture has its own place, size, rotation, stretch, colours, shading, clutter, blur and noise,
so the figures have to be recognised by shape. Needs NumPy. The same seed gives the same pictures.
"""

import argparse
import hashlib
import pathlib

import numpy as np

CLASSES = ("disc", "ring", "square", "triangle", "cross", "star", "crescent", "pair", "bars", "checks")
SIDE = 32
# Seeds of the shipped files; train_demo.py draws its own pictures from TRAINING_SEED.
EVALUATION_SEED, CALIBRATION_SEED, TRAINING_SEED = 1, 2, 3
EVALUATION_IMAGES, CALIBRATION_IMAGES = 600, 320


def figure(label, u, v):
    """Signed distance-like field of a figure of about unit radius: negative inside. u, v: [n, side, side]."""
    r = np.hypot(u, v)
    box = np.maximum(abs(u), abs(v)) - 0.85
    if label == "disc":
        return r - 0.95
    if label == "ring":
        return abs(r - 0.72) - 0.26
    if label == "square":
        return box
    if label == "triangle":
        sides = [np.cos(a) * u + np.sin(a) * v for a in np.pi / 2 + np.arange(3) * 2 * np.pi / 3]
        return np.maximum.reduce(sides) - 0.55
    if label == "cross":
        return np.minimum(np.maximum(abs(u) - 0.32, abs(v) - 1), np.maximum(abs(u) - 1, abs(v) - 0.32))
    if label == "star":
        return r - (0.72 + 0.34 * np.cos(5 * np.arctan2(v, u)))
    if label == "crescent":
        return np.maximum(r - 0.95, 0.8 - np.hypot(u - 0.5, v))
    if label == "pair":
        return np.minimum(np.hypot(u - 0.55, v), np.hypot(u + 0.55, v)) - 0.45
    if label == "bars":
        return np.maximum(r - 1, 0.35 * np.sin(6.5 * u))
    return np.maximum(box, 0.6 * np.sin(4.5 * u) * np.sin(4.5 * v))  # checks


def blurred(x, sigma):
    """Gaussian blur over the last two axes, one sigma (in pixels) per image."""
    at = np.arange(SIDE)
    weight = np.exp(-0.5 * ((at[:, None] - at) / sigma[:, None, None]) ** 2)
    weight /= weight.sum(axis=2, keepdims=True)
    return np.einsum("nij,ncjk,nlk->ncil", weight, x, weight, optimize=True)


def draw(labels, rng):
    """Pictures of the given classes as uint8 [n, 3, side, side] (RGB)."""
    n = len(labels)
    uniform = lambda low, high, *shape: rng.uniform(low, high, (n, *shape)).astype(np.float32)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / (SIDE - 1) * 2 - 1

    def local(spread, radius_low, radius_high, stretch):
        """Coordinates in a frame moved, turned, sized and stretched at random; and the frame's radius."""
        radius, turn = uniform(radius_low, radius_high, 1, 1), uniform(0, 2 * np.pi, 1, 1)
        dx, dy = x - uniform(-spread, spread, 1, 1), y - uniform(-spread, spread, 1, 1)
        longer = np.exp(uniform(-stretch, stretch, 1, 1))
        u = (np.cos(turn) * dx + np.sin(turn) * dy) / (radius * longer)
        v = (np.cos(turn) * dy - np.sin(turn) * dx) / (radius / longer)
        return u, v, radius

    def paint(picture, field, softness, colour):
        """Lays a colour [n, 3] over the picture where the field is negative."""
        cover = 1 / (1 + np.exp(np.clip(field / softness, -30, 30)))
        return picture + cover[:, None] * (colour[:, :, None, None] - picture)

    # Ground: a dim colour with a sloped second one, and low waves.
    a, b = uniform(0, 0.6, 3), uniform(0, 0.6, 3)
    angle, phase = uniform(0, 2 * np.pi, 1, 1), uniform(0, 2 * np.pi, 1, 1)
    slope = 0.5 + 0.5 * (np.cos(angle) * x + np.sin(angle) * y)
    wave = 0.12 * np.sin(uniform(2, 9, 1, 1) * (np.cos(phase) * x + np.sin(phase) * y) + angle)
    picture = a[:, :, None, None] + (b - a)[:, :, None, None] * (slope + wave)[:, None]

    # Clutter: thin strokes and small blots anywhere.
    for _ in range(3):
        u, v, radius = local(1.0, 0.06, 0.16, 0.9)
        picture = paint(picture, np.hypot(u, v) - 1, 0.05 / radius, uniform(0, 1, 3))

    # The figure: brighter than the ground it lies on, in a tint of its own.
    u, v, radius = local(0.32, 0.4, 0.76, 0.22)
    field = np.empty_like(u)
    for index, name in enumerate(CLASSES):
        mine = labels == index
        field[mine] = figure(name, u[mine], v[mine])
    tint = np.clip(0.5 * (a + b) + uniform(0.12, 0.42, 1) + uniform(-0.15, 0.15, 3), 0, 1)
    picture = paint(picture, field, 0.045 / radius, tint)

    # Blots in front of it, then the camera: blur, exposure, noise.
    for _ in range(2):
        u, v, radius = local(1.0, 0.05, 0.15, 0.9)
        picture = paint(picture, np.hypot(u, v) - 1, 0.05 / radius, uniform(0, 1, 3))
    picture = blurred(picture, uniform(0.3, 1.1))
    picture = (picture - 0.5) * uniform(0.6, 1.1, 1, 1, 1) + 0.5 + uniform(-0.12, 0.12, 1, 1, 1)
    picture += rng.normal(size=picture.shape).astype(np.float32) * uniform(0.02, 0.12, 1, 1, 1)
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def draw_set(count, seed):
    """`count` pictures, classes as even as they can be, in random order: (uint8 [n,3,32,32], labels)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % len(CLASSES))
    pieces = [draw(labels[i : i + 1000], rng) for i in range(0, count, 1000)]
    return np.concatenate(pieces), labels


def write_set(path, images, labels):
    records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(len(images), -1)], axis=1)
    path.write_bytes(records.tobytes())
    return {hashlib.sha256(record.tobytes()).digest() for record in records[:, 1:]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    out = parser.parse_args().out
    evaluation = write_set(out / "eval.bin", *draw_set(EVALUATION_IMAGES, EVALUATION_SEED))
    calibration = write_set(out / "train.bin", *draw_set(CALIBRATION_IMAGES, CALIBRATION_SEED))
    assert len(evaluation | calibration) == EVALUATION_IMAGES + CALIBRATION_IMAGES, "two pictures are equal"
    print(f"eval.bin: {EVALUATION_IMAGES} pictures, train.bin: {CALIBRATION_IMAGES}; none twice")


if __name__ == "__main__":
    main()
