#!/usr/bin/env bash
# A real segmentation model on pictures with masks: mean IoU as measured with ONNX Runtime, float and quantized.
. "$(dirname "$0")/common.sh"
model=$shared/models/espnetv2_s2_voc_256.onnx
[ -f "$model" ] || skip "segmentation of real pictures ($shared is not there)"
masks=masks:$shared/coco/val2017_seg,$shared/coco/vocmask
"$QSWEEP_BINARY" eval "$model" --data "$masks" --json --predictions "$scratch/images.csv" > "$scratch/float.json"
ls -d "$shared"/coco/train2017/*.jpg > "$scratch/train.txt"
"$QSWEEP_BINARY" eval "$model" --data "$masks" --limit 24 --json --scheme '*=W8A16' \
  --calib "images:$scratch/train.txt" --calib-images 16 > "$scratch/w8a16.json"

figure() { sed -n "s/^ *\"$2\": \([^,]*\),*$/\1/p" "$1"; }
near() { # what found expected allowed
  awk -v found="$2" -v expected="$3" -v allowed="$4" 'BEGIN { d = found - expected; exit !(d <= allowed && -d <= allowed) }' ||
    fail "$1 is $2, expected $3 within $4"
  echo "$1 $2 (expected $3)"
}
near "mean IoU" "$(figure "$scratch/float.json" miou)" 0.3719 0.003
near "pixel accuracy" "$(figure "$scratch/float.json" pixel_accuracy)" 0.8848 0.003
[ "$(wc -l < "$scratch/images.csv")" = 92 ] || fail "predictions of 91 pictures"
near "drop of W8A16" "$(figure "$scratch/w8a16.json" drop)" 0 0.03
if "$QSWEEP_BINARY" eval "$model" --data "images:$shared/coco/vww_val2017_128.txt" 2> "$scratch/error.txt"; then
  fail "pictures without masks were accepted"
fi
grep -q "needs pictures with masks" "$scratch/error.txt" || fail "$(cat "$scratch/error.txt")"
