#!/usr/bin/env python3
"""Draws a small picture, stores it as JPEG and PNG, and what OpenCV makes of it, in pictures/ (RGB, .npy).

Needs opencv-python-headless and numpy; the files are committed, the tests need neither.
"""
import pathlib

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


def save(name, picture):
    np.save(out / f"{name}.npy", np.ascontiguousarray(picture[:, :, ::-1]))


jpeg = cv2.imread(str(out / "picture.jpg"))
save("picture_jpg", jpeg)
save("picture_png", bgr)
for name, size, how in (("bilinear_down", (32, 24), cv2.INTER_LINEAR), ("bilinear_up", (100, 90), cv2.INTER_LINEAR), ("area_down", (20, 13), cv2.INTER_AREA),
                        ("area_up", (96, 64), cv2.INTER_AREA), ("nearest", (33, 70), cv2.INTER_NEAREST)):
    save(name, cv2.resize(bgr, size, interpolation=how))
