#!/usr/bin/env python3
"""Writes segmentation_cases.txt: random predictions and masks, and what NumPy's bincount says of them.

Lines: `case NAME CLASSES`; `image LABEL... / PREDICTION...` (255: ignored); `confusion` and its counts by row;
`expect MIOU DICE PIXEL_ACCURACY`; `iou` by class (nan: occurs nowhere); `error` the jackknife's of the mean IoU.
"""
import pathlib

import numpy as np


def figures(confusion):
    inside = np.diag(confusion).astype(float)
    labelled, predicted = confusion.sum(1), confusion.sum(0)
    with np.errstate(invalid="ignore"):
        iou = inside / (labelled + predicted - inside)
        dice = 2 * inside / (labelled + predicted)
    return iou, np.nanmean(iou), np.nanmean(dice), inside.sum() / labelled.sum()


def main():
    rng = np.random.default_rng(5)
    lines = []
    for name, classes, images, used in (("plain", 4, 5, 4), ("absent_class", 6, 4, 5), ("many_ignored", 3, 6, 3)):
        lines.append(f"case {name} {classes}")
        each = []
        for _ in range(images):
            label = rng.integers(0, used, 40)
            prediction = np.where(rng.random(40) < 0.6, label, rng.integers(0, used, 40))
            label[rng.random(40) < (0.5 if name == "many_ignored" else 0.1)] = 255
            keep = label != 255
            each.append(np.bincount(label[keep] * classes + prediction[keep], minlength=classes**2).reshape(classes, classes))
            lines.append(f"image {' '.join(map(str, label))} / {' '.join(map(str, prediction))}")
        total = np.sum(each, 0)
        iou, *means = figures(total)
        left_out = np.array([figures(total - one)[1] for one in each])
        error = np.sqrt((images - 1) / images * ((left_out - left_out.mean()) ** 2).sum())
        lines.append("confusion " + " ".join(map(str, total.ravel())))
        lines.append("expect " + " ".join(repr(float(v)) for v in means))
        lines.append("iou " + " ".join(repr(float(v)) for v in iou))
        lines.append(f"error {float(error)!r}")
    pathlib.Path(__file__).with_name("segmentation_cases.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
