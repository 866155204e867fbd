#!/usr/bin/env bash
# Files for the target onnxruntime: ONNX Runtime fuses every layer, sum and mean, and gives qsweep's own predictions.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "exported files in ONNX Runtime (no Python environment)"
folder=$QSWEEP_SOURCE_DIR/jobs/demo
models=("$folder/demo_cnn.onnx,$folder/eval.bin,$folder/train.bin")
if [ -d "$shared/models" ]; then
  for model in resnet8 resnet20; do
    models+=("$shared/models/${model}_cifar10.onnx,$shared/cifar10/test_1017.bin,$shared/cifar10/train_4000.bin")
  done
else
  echo "skipped: the real models ($shared is not there)"
fi
"$QSWEEP_PYTHON" "$(dirname "$0")/target_onnxruntime.py" "$QSWEEP_BINARY" "$scratch" "${models[@]}"
"$QSWEEP_BINARY" targets --json | "$QSWEEP_PYTHON" -c 'import json,sys; names=[t["name"] for t in json.load(sys.stdin)["targets"]]
assert names == ["generic", "onnxruntime"], names'
