#!/usr/bin/env bash
# An encoder with a feature pyramid and 117 classes: outputs at 512 x 512, and mean IoU in float and at W8A8, against
# ONNX Runtime.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "segmentation into 117 classes (no Python environment)"
here=$(dirname "$0")
"$QSWEEP_PYTHON" "$here/make_encoder_fpn.py" "$scratch/large"
"$QSWEEP_PYTHON" "$here/compare_outputs.py" "$QSWEEP_BINARY" "$scratch" "$scratch/large/network.onnx"

small=$scratch/small
"$QSWEEP_PYTHON" "$here/make_encoder_fpn.py" "$small" --size 128 --pictures 6
calibration=(--calib "images:$small/calibration.txt" --calib-images 6)
evaluate() { # name, then options
  local name=$1
  shift
  "$QSWEEP_BINARY" eval "$small/network.onnx" --data "masks:$small/pictures,$small/masks" --batch 4 --json "$@" \
    > "$small/$name.json" 2> "$small/$name.log" || fail "$name: $(cat "$small/$name.log")"
}
evaluate float --predictions "$small/images.csv"
evaluate w8a8 --scheme '*=W8A8' "${calibration[@]}"
evaluate w4a4 --scheme '*=W4A4' "${calibration[@]}"
[ "$(wc -l < "$small/images.csv")" = 7 ] || fail "predictions of 6 pictures"
"$QSWEEP_BINARY" export "$small/network.onnx" --scheme '*=W8A8' "${calibration[@]}" --out "$small/w8a8.onnx" \
  > "$small/export.log" 2>&1 || fail "export: $(cat "$small/export.log")"
"$QSWEEP_PYTHON" "$here/check_masks.py" "$small"
