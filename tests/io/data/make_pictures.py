#!/usr/bin/env python3
"""Draws a small picture, stores it as JPEG and PNG, and what OpenCV makes of it, in pictures/ (RGB, .npy).

Needs opencv-python-headless and numpy; the files are committed, the tests need neither.
"""
import pathlib
import struct
import zlib

import cv2
import numpy as np

out = pathlib.Path(__file__).with_name("pictures")
rng = np.random.default_rng(3)
y, x = np.mgrid[:47, :61]
rgb = np.stack([127 + 120 * np.sin(x / 7) * np.cos(y / 9), 4 * x, 255 - 5 * y], -1) + rng.normal(0, 12, (47, 61, 3))
bgr = np.clip(rgb, 0, 255).astype(np.uint8)[:, :, ::-1]
cv2.imwrite(str(out / "picture.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
cv2.imwrite(str(out / "picture.png"), bgr)
cv2.imwrite(str(out / "alpha.png"), np.dstack([bgr, np.full(bgr.shape[:2], 40, np.uint8)]))
cv2.imwrite(str(out / "grey.png"), bgr[:, :, 0])


labels = np.minimum((x // 9 + y // 11) % 6, 5).astype(np.uint8)
labels[:3] = 255
cv2.imwrite(str(out / "mask.png"), labels)
np.save(out / "mask.npy", labels)
np.save(out / "mask_small.npy", cv2.resize(labels, (32, 24), interpolation=cv2.INTER_NEAREST))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# The same labels as 4-bit palette indices (255 does not fit and becomes 15), as Pascal VOC stores them.
indices = np.minimum(labels, 15)
even = np.pad(indices, ((0, 0), (0, 1)))
rows = b"".join(b"\0" + bytes(row[0::2] * 16 + row[1::2]) for row in even)
colours = bytes(rng.integers(0, 256, 48, np.uint8))
(out / "mask_palette.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 61, 47, 4, 3, 0, 0, 0)) + chunk(b"PLTE", colours)
                                       + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def save(name, picture):
    np.save(out / f"{name}.npy", np.ascontiguousarray(picture[:, :, ::-1]))


jpeg = cv2.imread(str(out / "picture.jpg"))
save("picture_jpg", jpeg)
save("picture_png", bgr)
for name, size, how in (("bilinear_down", (32, 24), cv2.INTER_LINEAR), ("bilinear_up", (100, 90), cv2.INTER_LINEAR), ("area_down", (20, 13), cv2.INTER_AREA),
                        ("area_up", (96, 64), cv2.INTER_AREA), ("nearest", (33, 70), cv2.INTER_NEAREST)):
    save(name, cv2.resize(bgr, size, interpolation=how))
# Resize the shorter side to 30, then the middle 24 x 20, as torchvision's Resize and CenterCrop place it.
middle = cv2.resize(bgr, (int(30 * 61 / 47), 30), interpolation=cv2.INTER_LINEAR)
save("crop_shorter", middle[round((30 - 24) / 2):, round((38 - 20) / 2):][:24, :20])
