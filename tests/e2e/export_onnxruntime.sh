#!/usr/bin/env bash
# Exported schemes in ONNX Runtime give qsweep's own predictions; opsets as asked for; clear refusals.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "exported files in ONNX Runtime (no Python environment)"
agreement=("$QSWEEP_PYTHON" "$QSWEEP_SOURCE_DIR/bench/export/agreement.py" --qsweep "$QSWEEP_BINARY" --check)
folder=$QSWEEP_SOURCE_DIR/jobs/demo
"${agreement[@]}" --random 3 "$folder/demo_cnn.onnx,$folder/eval.bin,$folder/train.bin" 2>/dev/null
"${agreement[@]}" --strict --format qoperator --uniform W8A8 W4A8 --random 0 \
  "$folder/demo_cnn.onnx,$folder/eval.bin,$folder/train.bin" 2>/dev/null
"${agreement[@]}" --uniform W4A8 --random 1 --int4-as-int8 \
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

# From a run directory: the scheme by its id gives the bytes that its text gives from the model.
options=(--set latency.source=none)
"$QSWEEP_BINARY" run "$demo" --out "$scratch/run" "${options[@]}" >/dev/null 2>&1
id=$("$QSWEEP_PYTHON" -c 'import csv,sys; print([r["scheme_id"] for r in csv.DictReader(open(sys.argv[1])) if r["scheme"] == "*=W8A8" and r["kind"] == "scheme"][0])' "$scratch/run/outputs/sweep_index.csv")
"$QSWEEP_BINARY" export --run "$scratch/run" --scheme "$id" --out "$scratch/by_id.onnx" --scripts "$scratch/scripts" >/dev/null 2>&1
"$QSWEEP_BINARY" export "$folder/demo_cnn.onnx" --scheme '*=W8A8' --calib "cifar10:$folder/train.bin" --calib-images 320 --out "$scratch/by_text.onnx" >/dev/null 2>&1
cmp "$scratch/by_id.onnx" "$scratch/by_text.onnx" || fail "the run's scheme is another file than its text gives"
for script in "$scratch"/scripts/*.sh; do bash -n "$script"; done
(cd / && "$QSWEEP_PYTHON" "$scratch/scripts/onnxruntime_quantize.py" 2>/dev/null)
[ -s "$scratch/scripts/by_id_onnxruntime.onnx" ] || fail "the ONNX Runtime script left no model"
