#!/usr/bin/env bash
# minmax, entropy and percentile ranges within one bin of ONNX Runtime's on real images.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "comparison with ONNX Runtime (no Python environment)"
[ -d "$shared/models" ] || skip "real models and images ($shared is not there)"
"$QSWEEP_PYTHON" "$(dirname "$0")/compare_calibrators.py" "$QSWEEP_BINARY" "$shared/models/resnet8_cifar10.onnx" \
  "$shared/cifar10/train_4000.bin" "$scratch"
