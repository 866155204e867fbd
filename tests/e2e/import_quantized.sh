#!/usr/bin/env bash
# Files made by ONNX Runtime's quantize_static (QDQ and QOperator), inspected, evaluated and compared with their float
# model; the layer errors against ONNX Runtime's own qdq_loss_debug.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "quantized models of ONNX Runtime (no Python environment)"
models=("$QSWEEP_SOURCE_DIR/jobs/demo/demo_cnn.onnx:$QSWEEP_SOURCE_DIR/jobs/demo/train.bin:$QSWEEP_SOURCE_DIR/jobs/demo/eval.bin")
if [ -d "$shared/models" ]; then
  models+=("$shared/models/resnet8_cifar10.onnx:$shared/cifar10/train_4000.bin:$shared/cifar10/test_1017.bin")
else
  echo "skipped: the real models ($shared is not there)"
fi
"$QSWEEP_PYTHON" "$(dirname "$0")/import_quantized.py" "$QSWEEP_BINARY" "$scratch" "${models[@]}"
