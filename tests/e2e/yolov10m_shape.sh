#!/usr/bin/env bash
# A model with the structure of YOLOv10m at 640 x 640: parity with ONNX Runtime, peak memory of one image.
. "$(dirname "$0")/common.sh"
[ -x "${QSWEEP_PYTHON:-}" ] || skip "the YOLOv10m structure (no Python environment)"
here=$(dirname "$0")
"$QSWEEP_PYTHON" "$here/make_yolov10m.py" "$scratch/yolov10m_shaped.onnx"
"$QSWEEP_PYTHON" "$here/compare_outputs.py" "$QSWEEP_BINARY" "$scratch" "$scratch/yolov10m_shaped.onnx"
"$QSWEEP_BINARY" inspect "$scratch/yolov10m_shaped.onnx" > "$scratch/inspect.txt" || fail "inspect"
