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
  # Without integer layers, or with them as integer operators, a ViT differs by the printed digits alone: where ONNX
  # Runtime sums in the lanes of AVX-512.
  strict=()
  if grep -qw avx512f /proc/cpuinfo; then strict=(--strict); fi
  vit=$shared/models/vit_cifar10.onnx,$shared/cifar10/test_1017.bin,$shared/cifar10/train_4000.bin
  "${agreement[@]}" "${strict[@]}" --random 0 --uniform FP16 W4A8F --limit 64 --calib-images 64 "$vit" 2>/dev/null
  "${agreement[@]}" "${strict[@]}" --random 1 --uniform W8A8 --limit 64 --calib-images 64 --format qoperator "$vit" 2>/dev/null
  "$QSWEEP_PYTHON" "$(dirname "$0")/export_half.py" "$QSWEEP_BINARY" "$scratch" "$shared"/models/{resnet8,vit}_cifar10.onnx
else
  echo "skipped: the real models ($shared is not there)"
fi
"$QSWEEP_PYTHON" "$(dirname "$0")/export_half.py" "$QSWEEP_BINARY" "$scratch" "$folder/demo_cnn.onnx"

# Constants beside the model: ONNX Runtime and qsweep read them back, from the model's folder alone.
mkdir "$scratch/beside"
"$QSWEEP_BINARY" export "$folder/demo_cnn.onnx" --external-data --out "$scratch/beside/m.onnx" >/dev/null
[ -s "$scratch/beside/m.onnx.data" ] || fail "--external-data wrote no second file"
for file in m.onnx m.onnx.data; do cp "$scratch/beside/$file" "$scratch/$file"; done
"$QSWEEP_PYTHON" "$(dirname "$0")/compare_outputs.py" "$QSWEEP_BINARY" "$scratch" "$scratch/m.onnx"
rm "$scratch/m.onnx.data"
! "$QSWEEP_BINARY" inspect "$scratch/m.onnx" >/dev/null 2>"$scratch/error" || fail "read without its data"
grep -q 'm.onnx.data.* is missing' "$scratch/error" || fail "missing data: $(cat "$scratch/error")"

# A preset writes what its scheme writes, with the same flags as eval.
calibration=(--calib "cifar10:$folder/train.bin" --calib-images 64)
"$QSWEEP_BINARY" export "$folder/demo_cnn.onnx" --preset INT8_DEFAULT_CFG --nodes-to-exclude fc "${calibration[@]}" \
  --json --out "$scratch/preset.onnx" >"$scratch/preset.json" 2>/dev/null
scheme=$("$QSWEEP_PYTHON" -c 'import json,sys; print(json.load(open(sys.argv[1]))["scheme"])' "$scratch/preset.json")
grep -q 'fc=FP16' <<<"$scheme" || fail "the preset's scheme is $scheme"
"$QSWEEP_BINARY" eval "$folder/demo_cnn.onnx" --data "cifar10:$folder/eval.bin" --limit 8 --preset INT8_DEFAULT_CFG \
  --nodes-to-exclude fc "${calibration[@]}" --json 2>/dev/null | grep -qF "\"scheme\": \"$scheme\"" ||
  fail "eval and export take another scheme from a preset"

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
