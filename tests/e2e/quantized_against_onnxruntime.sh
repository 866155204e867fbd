#!/usr/bin/env bash
# QuantizeLinear and DequantizeLinear in all their forms and the operators on codes, against ONNX Runtime.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "comparison with ONNX Runtime (no Python environment)"
"$QSWEEP_PYTHON" "$(dirname "$0")/compare_quantized.py" "$QSWEEP_BINARY" "$scratch"
