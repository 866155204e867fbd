#!/usr/bin/env bash
# The float model's outputs against ONNX Runtime's on the same random input.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "comparison with ONNX Runtime (no Python environment)"
models=("$QSWEEP_SOURCE_DIR/jobs/demo/demo_cnn.onnx")
if [ -d "$shared/models" ]; then models+=("$shared"/models/*.onnx); else echo "skipped: the real models ($shared is not there)"; fi
"$QSWEEP_PYTHON" "$(dirname "$0")/compare_outputs.py" "$QSWEEP_BINARY" "$scratch" "${models[@]}"
