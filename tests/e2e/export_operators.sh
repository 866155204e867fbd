#!/usr/bin/env bash
# Single operators through export: raised to newer opsets, and in FP16, ONNX Runtime computes what it did before.
. "$(dirname "$0")/common.sh"
cases=${QSWEEP_ONNX_CASES:-/usr/share/libonnx-testdata/data}
[ -x "${QSWEEP_PYTHON:-}" ] || skip "exported operators in ONNX Runtime (no Python environment)"
[ -d "$cases/node" ] || skip "exported operators in ONNX Runtime (install libonnx-testdata)"
"$QSWEEP_PYTHON" "$(dirname "$0")/export_upgrade.py" "$QSWEEP_BINARY" "$scratch" "$QSWEEP_SOURCE_DIR" "$cases"
"$QSWEEP_PYTHON" "$(dirname "$0")/export_half.py" "$QSWEEP_BINARY" "$scratch" operators "$QSWEEP_SOURCE_DIR" "$cases"
