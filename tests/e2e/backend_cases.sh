#!/usr/bin/env bash
# ONNX's published backend cases through the whole program.
. "$(dirname "$0")/common.sh"
cases=${QSWEEP_ONNX_CASES:-/usr/share/libonnx-testdata/data}
[ -x "${QSWEEP_PYTHON:-}" ] || skip "ONNX's backend cases (no Python environment)"
[ -d "$cases/node" ] || skip "ONNX's backend cases (install libonnx-testdata)"
"$QSWEEP_PYTHON" "$(dirname "$0")/compare_backend_cases.py" "$QSWEEP_BINARY" "$scratch" "$cases"
