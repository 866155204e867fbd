#!/usr/bin/env bash
# Published detectors on real COCO pictures: the mAP that ONNX Runtime and pycocotools give, from what qsweep finds and
# counts itself; pycocotools on the written detections gives qsweep's figures; two ranks give one rank's bits.
. "$(dirname "$0")/common.sh"
[ -d "$shared/models" ] || skip "real models and images ($shared is not there)"
data=(--data "coco:$shared/coco/val2017,$shared/coco/instances_val2017_128.json")
calib=(--calib "coco:$shared/coco/train2017,$shared/coco/instances_train2017_64.json" --calib-images 64)
field() { sed -n "s/^  \"$2\": \([-0-9.e]*\),*/\1/p" "$1"; }
near() { awk -v a="$1" -v b="$2" -v d="$3" 'BEGIN { exit !(a - b <= d && b - a <= d) }'; }

while read -r model map; do
  "$QSWEEP_BINARY" eval "$shared/models/$model.onnx" "${data[@]}" --json --predictions "$scratch/$model.found.json" >"$scratch/$model.json" 2>/dev/null
  near "$(field "$scratch/$model.json" map)" "$map" 0.003 || fail "$model: expected mAP $map: $(cat "$scratch/$model.json")"
  echo "$model mAP $(field "$scratch/$model.json" map), by ONNX Runtime $map"
done <<'LIST'
yolox_nano_coco 0.3422
yolov5n_coco_416 0.3176
LIST

# All layers at INT8 by min-max break YOLOX-nano and not YOLOv5n.
int8() { "$QSWEEP_BINARY" eval "$shared/models/$1.onnx" "${data[@]}" "${calib[@]}" --scheme '*=W8A8' --json 2>/dev/null >"$scratch/$1.int8.json"; field "$scratch/$1.int8.json" map; }
near "$(int8 yolox_nano_coco)" 0 0.2 || fail "YOLOX-nano did not collapse at INT8: $(cat "$scratch/yolox_nano_coco.int8.json")"
near "$(int8 yolov5n_coco_416)" 0.303 0.02 || fail "YOLOv5n at INT8 is not near 0.303: $(cat "$scratch/yolov5n_coco_416.int8.json")"

job=(run "$QSWEEP_SOURCE_DIR/jobs/yolox_nano_coco.yaml" --set "model=$shared/models/yolox_nano_coco.onnx"
  --set "data.evaluation.path='$shared/coco/val2017,$shared/coco/instances_val2017_128.json'"
  --set "data.calibration.path='$shared/coco/train2017,$shared/coco/instances_train2017_64.json'"
  --set data.evaluation.images=4 --set data.evaluation.shard=2 --set data.calibration.images=4
  --set 'sensitivity.precisions=[W8A8]' --set 'sweep.families=[{rest: W8A8, keep: FP16, k: [0, 1, all]}]')
"$QSWEEP_BINARY" "${job[@]}" --out "$scratch/one" >"$scratch/one.txt" 2>/dev/null
ranks 2 "$QSWEEP_BINARY" "${job[@]}" --out "$scratch/two" >"$scratch/two.txt" 2>/dev/null
same_results "$scratch/one" "$scratch/two"
for set in calibration evaluation; do
  grep -q "$set: 4 pictures decoded once for the 2 ranks of this node" "$scratch/two/logs/rank-0.log" ||
    fail "the ranks did not share the pictures of $set: $(grep pictures "$scratch/two/logs/rank-0.log")"
done
grep -A6 '^## Why W8A8 Everywhere Fails' "$scratch/one/layer-sensitivity-report.md" | grep -q '^| Conv_44 | depthwise Conv | backbone/4 | 9.*outliers set the step' ||
  fail "the report does not say which layer breaks W8A8: $(grep -A6 '^## Why' "$scratch/one/layer-sensitivity-report.md")"
head -1 "$scratch/one/outputs/sweep_index.csv" | grep -q ',map,map50,map75,' || fail "sweep_index.csv lacks the metric columns"

[ -x "${QSWEEP_PYTHON:-}" ] || { echo "skipped: pycocotools and h5py (no Python environment)"; exit 0; }
"$QSWEEP_PYTHON" "$(dirname "$0")/check_coco.py" "$shared/coco/instances_val2017_128.json" "$scratch" "$scratch/one/sweep.h5"
