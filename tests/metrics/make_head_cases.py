"""Writes head_cases.txt: outputs of small detectors and the detections that NumPy decoders and OpenCV's
NMSBoxes make of them. Needs numpy and opencv-python:  python make_head_cases.py > head_cases.txt"""
import numpy as np
import cv2

CLASSES, SIZE, STRIDES, BINS = 3, 32, (8, 16), 8
CONFIDENCE, IOU, MOST = 0.05, 0.5, 12
SCALE, LEFT, TOP, WIDTH, HEIGHT = 0.8, 2, 3, 36, 30  # of the picture in the input
rng = np.random.default_rng(5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def grid():
    cells, strides = [], []
    for s in STRIDES:
        n = SIZE // s
        y, x = np.mgrid[:n, :n]
        cells.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((n * n, 1), s))
    return np.concatenate(cells), np.concatenate(strides)


def from_centre(b):
    return np.concatenate([b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2], 1)


def dfl(bins, cells, strides):
    e = np.exp(bins - bins.max(-1, keepdims=True))
    d = (e / e.sum(-1, keepdims=True)) @ np.arange(BINS)  # [A, 4] in cells
    centre = cells + 0.5
    return np.concatenate([centre - d[:, :2], centre + d[:, 2:]], 1) * strides


def yolox(o):
    cells, strides = grid()
    o = o[0]
    centre = (o[:, :2] + cells) * strides
    return from_centre(np.concatenate([centre, np.exp(o[:, 2:4]) * strides], 1)), o[:, 4:5] * o[:, 5:]


def yolov5(o):
    return from_centre(o[0][:, :4].astype(float)), o[0][:, 4:5] * o[0][:, 5:]


def yolov8(o):
    return from_centre(o[0].T[:, :4].astype(float)), o[0].T[:, 4:]


def raw(o):
    cells, strides = grid()
    o = o[0].T.astype(float)
    return dfl(o[:, :4 * BINS].reshape(-1, 4, BINS), cells, strides), sigmoid(o[:, 4 * BINS:])


def levels(*o):
    cells, strides = grid()
    classes = np.concatenate([o[0][0].reshape(CLASSES, -1).T, o[1][0].reshape(CLASSES, -1).T])
    bins = np.concatenate([o[2][0].reshape(4 * BINS, -1).T, o[3][0].reshape(4 * BINS, -1).T])
    return dfl(bins.astype(float).reshape(-1, 4, BINS), cells, strides), classes


def detections(boxes, scores):
    b = (boxes - [LEFT, TOP, LEFT, TOP]) / SCALE
    b[:, 0::2] = b[:, 0::2].clip(0, WIDTH)
    b[:, 1::2] = b[:, 1::2].clip(0, HEIGHT)
    found = []
    for c in range(scores.shape[1]):
        m = scores[:, c] > CONFIDENCE
        xywh = np.concatenate([b[m, :2], b[m, 2:] - b[m, :2]], 1)
        for i in np.array(cv2.dnn.NMSBoxes(xywh.tolist(), scores[m, c].tolist(), CONFIDENCE, IOU)).reshape(-1):
            found.append((scores[m, c][i], c, *xywh[i]))
    return sorted(found, key=lambda f: -f[0])[:MOST]


A = len(grid()[0])
near = lambda *shape: rng.normal(0, 1, shape)
inside = lambda n: np.concatenate([rng.uniform(4, 28, (n, 2)), rng.uniform(4, 16, (n, 2))], 1)
CASES = [
    ("yolox", yolox, [np.concatenate([near(A, 4) * 0.5, rng.uniform(0, 1, (A, 1 + CLASSES))], 1)[None]]),
    ("yolov5", yolov5, [np.concatenate([inside(A), rng.uniform(0, 1, (A, 1 + CLASSES))], 1)[None]]),
    ("yolov8", yolov8, [np.concatenate([inside(A), rng.uniform(0, 1, (A, CLASSES))], 1).T[None]]),
    ("dfl", raw, [near(1, 4 * BINS + CLASSES, A) * 2]),
    ("dfl_levels", levels, [rng.uniform(0, 1, (1, CLASSES, 4, 4)), rng.uniform(0, 1, (1, CLASSES, 2, 2)),
                            near(1, 4 * BINS, 4, 4) * 2, near(1, 4 * BINS, 2, 2) * 2]),
]
print(f"classes {CLASSES} size {SIZE} confidence {CONFIDENCE} iou {IOU} most {MOST}")
print(f"frame {WIDTH} {HEIGHT} {SCALE} {LEFT} {TOP}")
for kind, decode, outputs in CASES:
    outputs = [np.round(o, 3).astype(np.float32) for o in outputs]
    print("case", kind, len(outputs))
    for o in outputs:
        print("output", o.ndim, *o.shape)
        print(*(f"{v:.3f}" for v in o.reshape(-1)))
    found = detections(*decode(*outputs))
    print("detections", len(found))
    for score, c, *box in found:
        print(c, f"{score:.7g}", *(f"{v:.7g}" for v in box))
