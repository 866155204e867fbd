"""check_coco.py ANNOTATIONS FOLDER STORE: pycocotools on FOLDER/*.found.json gives the figures of FOLDER/*.json to 1e-6;
/detections of a run's store is what its schemes found."""
import contextlib
import io
import json
import pathlib
import sys

import h5py
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

annotations, folder, store = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
names = ["map", "map50", "map75", "map_small", "map_medium", "map_large", "ar1", "ar10", "ar100"]
checked = 0
for found in sorted(folder.glob("*.found.json")):
    ours = json.loads((folder / found.name.replace(".found", "")).read_text())
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations)
        theirs = COCOeval(truth, truth.loadRes(str(found)), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    for name, value in zip(names, theirs.stats):
        assert abs(ours[name] - value) < 1e-6, (found.name, name, ours[name], value)
    checked += 1
    print(f"{found.name}: pycocotools agrees, mAP {theirs.stats[0]:.6f}")
assert checked == 2, checked
with h5py.File(store) as file:
    schemes = len(file["schemes/id"])
    table = {name: column[:] for name, column in file["detections"].items()}
    assert set(table["scheme"]) <= set(range(schemes)) and 0 in table["scheme"]
    assert set(table["image"]) <= set(file["meta/evaluation_samples"][:])
    assert (table["category"] < len(file["meta/class_names"])).all() and (table["score"] > 0.001).all()
    assert "predictions" not in file and len(file["schemes/map50"]) == schemes
print("sweep.h5: /detections is sound")
