#!/usr/bin/env bash
# Times the model files of this kit with TensorRT's trtexec: builds each engine once, then goes through
# all of them in rounds. Bring the folder `trtexec` back with
#     qsweep latency DIR --import trtexec/*
# TRTEXEC is the program, FLAGS what it may use (FP8 needs --fp8 too), ROUNDS how often each is timed.
set -euo pipefail
cd "$(dirname "$0")"
trtexec=${TRTEXEC:-trtexec}
read -r -a flags <<<"${FLAGS:---fp16 --int8}"
mkdir -p trtexec engines
for model in models/*.onnx; do
  id=$(basename "$model" .onnx)
  # A file that TensorRT refuses is left out; its log says why.
  "$trtexec" --onnx="$model" "${flags[@]}" @SHAPES@ --skipInference --profilingVerbosity=detailed \
    --saveEngine="engines/$id.engine" --exportLayerInfo="trtexec/$id.layers.json" >"engines/$id.build.log" 2>&1 ||
    echo "$id: TensorRT built no engine; see engines/$id.build.log" >&2
done
for round in $(seq "${ROUNDS:-3}"); do
  for engine in engines/*.engine; do
    id=$(basename "$engine" .engine)
    "$trtexec" --loadEngine="$engine" @SHAPES@ --warmUp=200 --iterations=50 >"trtexec/$id.$round.log" 2>&1
  done
done
for engine in engines/*.engine; do
  id=$(basename "$engine" .engine)
  "$trtexec" --loadEngine="$engine" @SHAPES@ --warmUp=200 --iterations=50 --separateProfileRun --dumpProfile \
    --exportProfile="trtexec/$id.profile.json" >"engines/$id.profile.log" 2>&1
done
echo "bring the folder trtexec back with: qsweep latency DIR --import trtexec/*"
