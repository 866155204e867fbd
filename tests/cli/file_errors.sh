#!/usr/bin/env bash
# Every input of every command, given what is no such file: one error that names it, never a bug of ours.
. "$(dirname "$0")/../e2e/common.sh"
cp "$QSWEEP_SOURCE_DIR"/jobs/demo/{demo_cnn.onnx,demo_cnn.yaml,demo.yaml,eval.bin,train.bin} "$scratch"
cd "$scratch"
ln -s loop loop && mkdir folder && : >empty && echo "no such thing" >text && ln -s nowhere dangling
long=$(printf 'x%.0s' $(seq 300))
for kind in loop folder empty text dangling; do ln -s $kind $kind.onnx && ln -s $kind $kind.yaml && ln -s $kind $kind.npy; done
inputs=(
  "inspect @"
  "inspect @.onnx"
  "smoke @.onnx"
  "smoke demo_cnn.onnx --input @.npy"
  "eval @.onnx --data cifar10:eval.bin"
  "eval demo_cnn.onnx --data cifar10:@"
  "eval demo_cnn.onnx --data cifar100:@"
  "eval demo_cnn.onnx --data images:@ --resize stretch:32x32"
  "eval demo_cnn.onnx --data npy:@,@"
  "eval demo_cnn.onnx --data folder:@ --resize stretch:32x32"
  "eval demo_cnn.onnx --data coco:folder,@ --resize stretch:32x32 --task detection --head yolox"
  "eval demo_cnn.onnx --data masks:@,folder --resize stretch:32x32 --task segmentation"
  "eval demo_cnn.onnx --data cifar10:eval.bin --limit 8 --scheme *=W8A8 --calib cifar10:@"
  "eval demo_cnn.onnx --data cifar10:eval.bin --limit 8 --calib cifar10:train.bin --rules @"
  "compare demo_cnn.onnx @.onnx --data cifar10:eval.bin --limit 8"
  "calibrate @.onnx --calib cifar10:train.bin"
  "calibrate @.yaml --out run"
  "export @.onnx --scheme *=W4A16 --out x.onnx"
  "export --run @ --scheme *=W4A16 --out x.onnx"
  "summary @.onnx --scheme *=W4A16"
  "summary --run @ --scheme *=W4A16"
  "run @.yaml --out run"
  "run @ --out run"
  "run demo.yaml --out run --set model=@.onnx"
  "run demo.yaml --out run --set data.calibration.path=@"
  "run demo.yaml --out run --set latency.source=table --set latency.table=@ --set sweep.families=[] --set sensitivity.modes=[only] --set data.evaluation.images=8 --set data.calibration.images=8"
  "sensitivity @.yaml --out run"
  "sweep @.yaml --out run"
  "sweep --models @.onnx --output-root grid --data cifar10:eval.bin --calib cifar10:train.bin"
  "latency @.yaml --out run"
  "pareto @"
  "report @"
)
set -f
for input in "${inputs[@]}"; do
  for bad in loop folder empty text dangling "$long" text/below; do
    code=0
    # shellcheck disable=SC2086 # words
    timeout 60 "$QSWEEP_BINARY" --threads 1 ${input//@/$bad} >out 2>said </dev/null || code=$?
    case $code in 2 | 3 | 4) ;; *) fail "${input//@/$bad}: exit code $code: $(cat said)" ;; esac
    [ "$(grep -c '^qsweep: error' said)" -eq 1 ] || fail "${input//@/$bad}: not one error: $(cat said)"
    ! grep -q 'report this' said || fail "${input//@/$bad}: $(cat said)"
    grep -q "$bad" said || fail "${input//@/$bad}: the file is not named: $(cat said)"
    rm -rf run grid x.onnx
  done
done
