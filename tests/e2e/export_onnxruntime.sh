#!/usr/bin/env bash
# Exported schemes in ONNX Runtime give qsweep's own predictions; opsets as asked for; clear refusals.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "exported files in ONNX Runtime (no Python environment)"
agreement=("$QSWEEP_PYTHON" "$QSWEEP_SOURCE_DIR/bench/export/agreement.py" --qsweep "$QSWEEP_BINARY" --check)
folder=$QSWEEP_SOURCE_DIR/jobs/demo
"${agreement[@]}" --random 3 "$folder/demo_cnn.onnx,$folder/eval.bin,$folder/train.bin" 2>/dev/null
"${agreement[@]}" --random 1 --uniform W4A8 --export-options int4-as-int8 \
  "$folder/demo_cnn.onnx,$folder/eval.bin,$folder/train.bin" 2>/dev/null
if [ -d "$shared/models" ]; then
  for model in resnet8 resnet20 vit; do
    "${agreement[@]}" --random 1 --uniform W8A8 W4A8F --limit 100 --calib-images 100 \
      "$shared/models/${model}_cifar10.onnx,$shared/cifar10/test_1017.bin,$shared/cifar10/train_4000.bin" 2>/dev/null
  done
else
  echo "skipped: the real models ($shared is not there)"
fi
"$QSWEEP_PYTHON" "$(dirname "$0")/export_upgrade.py" "$QSWEEP_BINARY" "$scratch"

code=0
"$QSWEEP_BINARY" export "$folder/demo_cnn.onnx" --scheme '*=W4A16' --opset 17 --out "$scratch/x.onnx" 2>"$scratch/error" || code=$?
[ "$code" -eq 2 ] && grep -q 'int4 needs opset 21, and 17 was asked for' "$scratch/error" || fail "opset 17 for INT4: $code $(cat "$scratch/error")"
[ ! -e "$scratch/x.onnx" ] || fail "a refused export left a file"
