#!/usr/bin/env bash
# Every operator of vision models against ONNX Runtime, over opsets and attributes.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "comparison with ONNX Runtime (no Python environment)"
"$QSWEEP_PYTHON" "$(dirname "$0")/compare_operators.py" "$QSWEEP_BINARY" "$scratch"
