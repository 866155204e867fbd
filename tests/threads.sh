#!/usr/bin/env bash
# Runs what the ranks of one process share under the thread sanitizer: the suite of the thread transport, the demo on
# three ranks and, where ../shared/data is there, a detector on COCO pictures. Any race ends it with the exit code 66.
#   tests/threads.sh BUILD     a build with -DQSWEEP_SANITIZE=thread
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?tests/threads.sh BUILD}
shared=${QSWEEP_SHARED_DATA:-../shared/data}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TSAN_OPTIONS="halt_on_error=1:suppressions=$PWD/tests/threads.supp"

"$build/tests/ranks/ranks_thread_test" --gtest_brief=1

"$build/qsweep" run jobs/demo/demo.yaml --threads 3 --out "$scratch/demo" \
  --set data.evaluation.images=60 --set data.evaluation.shard=10 --set data.calibration.images=20

if [ -d "$shared/models" ]; then
  shared=$(realpath "$shared")
  "$build/qsweep" run jobs/yolox_nano_coco.yaml --threads 3 --out "$scratch/detection" \
    --set "model=$shared/models/yolox_nano_coco.onnx" \
    --set "data.evaluation.path=[$shared/coco/val2017, $shared/coco/instances_val2017_128.json]" \
    --set "data.calibration.path=[$shared/coco/train2017, $shared/coco/instances_train2017_64.json]" \
    --set data.evaluation.images=3 --set data.evaluation.shard=1 --set data.calibration.images=2 \
    --set 'sensitivity.precisions=[]' --set 'sweep.families=[{rest: W8A8, keep: FP16, k: [0, all]}]'
else
  echo "skipped: a detector on COCO pictures ($shared is not there)"
fi
