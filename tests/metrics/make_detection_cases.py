#!/usr/bin/env python3
"""Writes detection_cases.txt: random truths and detections, and what pycocotools' COCOeval says of them.

Lines: `case NAME`; `truth IMAGE CATEGORY X Y W H AREA CROWD`; `found IMAGE CATEGORY SCORE X Y W H`;
`expect` and COCOeval's twelve figures (-1: nothing annotated); `class CATEGORY AP`. Images and categories are 1..n.
"""
import contextlib
import io
import pathlib

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CASES = {  # images, categories, truths and detections per image, share of crowds, distinct scores
    "plain": (8, 3, 6, 12, 0.0, None),
    "crowds": (8, 3, 6, 12, 0.3, None),
    "equal_scores": (8, 2, 6, 16, 0.1, 4),
    "many_detections": (2, 1, 20, 130, 0.1, 20),
    "nothing_found": (3, 2, 4, 0, 0.0, None),
    "nothing_annotated": (2, 2, 0, 3, 0.0, None),
}


def number(value):
    return np.format_float_positional(value, unique=True, trim="-")


def case(rng, images, categories, truths, found, crowds, scores):
    truth, detections = [], []
    for image in range(1, images + 1):
        boxes = []
        for _ in range(truths):
            size = rng.choice([20, 60, 200])
            box = [float(np.float32(v)) for v in (*rng.uniform(0, 400, 2), *(size * rng.uniform(0.5, 1.5, 2)))]
            category = int(rng.integers(1, categories + 1))
            boxes.append((category, box))
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": category, "bbox": box,
                          "area": float(np.float32(box[2] * box[3] * rng.uniform(0.5, 1))), "iscrowd": int(rng.random() < crowds)})
        for _ in range(found):
            if boxes and rng.random() < 0.7:  # near an object, sometimes with the wrong class
                category, box = boxes[rng.integers(len(boxes))]
                box = [float(np.float32(v)) for v in np.array(box) + rng.normal(0, 0.08, 4) * box[2]]
                category = category if rng.random() < 0.8 else int(rng.integers(1, categories + 1))
            else:
                category, box = int(rng.integers(1, categories + 1)), [float(np.float32(v)) for v in rng.uniform(1, 200, 4)]
            score = float(np.float32(rng.random() if scores is None else (1 + rng.integers(scores)) / (scores + 1)))
            detections.append({"image_id": image, "category_id": category, "bbox": box, "score": score})
    return truth, detections


def main():
    rng = np.random.default_rng(1)
    lines = []
    for name, (images, categories, *rest) in CASES.items():
        truth, detections = case(rng, images, categories, *rest)
        coco = COCO()
        coco.dataset = {"images": [{"id": i + 1} for i in range(images)], "categories": [{"id": c + 1} for c in range(categories)], "annotations": truth}
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
            results = coco.loadRes(detections) if detections else COCO()
            if not detections:
                results.dataset = {**coco.dataset, "annotations": []}
                results.createIndex()
            evaluation = COCOeval(coco, results, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        lines.append(f"case {name} {images} {categories}")
        lines += ["truth " + " ".join([str(t["image_id"]), str(t["category_id"]), *map(number, t["bbox"]), number(t["area"]), str(t["iscrowd"])]) for t in truth]
        lines += ["found " + " ".join([str(d["image_id"]), str(d["category_id"]), number(d["score"]), *map(number, d["bbox"])]) for d in detections]
        lines.append("expect " + " ".join(f"{v:.9f}" for v in evaluation.stats))
        for c in range(categories):
            p = evaluation.eval["precision"][:, :, c, 0, -1]
            lines.append(f"class {c + 1} {p[p > -1].mean() if (p > -1).any() else -1:.9f}")
    pathlib.Path(__file__).with_name("detection_cases.txt").write_text("\n".join(lines) + "\n")


main()
