#!/usr/bin/env bash
# Where outputs go: links are followed, devices and FIFOs written to, inputs never replaced, and what is wrong with a
# place is said before any work.
. "$(dirname "$0")/../e2e/common.sh"
cp "$QSWEEP_SOURCE_DIR"/jobs/demo/{demo_cnn.onnx,demo_cnn.yaml,demo.yaml,eval.bin,train.bin} "$scratch"
cd "$scratch"
export PATH="$(dirname "$QSWEEP_BINARY"):$PATH"
eval_demo=(qsweep --threads 1 eval demo_cnn.onnx --data cifar10:eval.bin --limit 20)
export_demo=(qsweep --threads 1 export demo_cnn.onnx --scheme '*=W4A16')

"${eval_demo[@]}" --predictions plain.csv >/dev/null
head -1 plain.csv | grep -q '^index,label,top1,margin$' || fail "predictions: $(head -1 plain.csv)"

# A link is followed and stays, with the target's permissions.
mkdir far && echo old >far/target.csv && chmod 600 far/target.csv && ln -s far/target.csv link.csv
"${eval_demo[@]}" --predictions link.csv >/dev/null
[ -L link.csv ] && cmp far/target.csv plain.csv || fail "predictions through a link"
[ "$(stat -c %a far/target.csv)" = 600 ] || fail "permissions became $(stat -c %a far/target.csv)"
ln -s far/new.onnx link.onnx
"${export_demo[@]}" --out link.onnx --external-data >/dev/null
[ -L link.onnx ] && qsweep inspect link.onnx >/dev/null || fail "export through a dangling link"

# A FIFO and devices.
mkfifo fifo && { cat fifo >got.csv & } && "${eval_demo[@]}" --predictions fifo >/dev/null
wait && cmp got.csv plain.csv && [ -p fifo ] || fail "predictions through a FIFO"
"${eval_demo[@]}" --predictions /dev/null >/dev/null
[ -c /dev/null ] || fail "/dev/null was replaced"
"${eval_demo[@]}" --predictions /dev/stdout >both.txt
head -21 both.txt | cmp - plain.csv || fail "predictions on stdout, a file: $(head -3 both.txt)"
grep -qi '^top-1' both.txt || fail "what follows the predictions on stdout is lost: $(tail -3 both.txt)"
"${eval_demo[@]}" --predictions /dev/stdout | cat >piped.txt
head -21 piped.txt | cmp - plain.csv || fail "predictions on stdout, a pipe"
"${eval_demo[@]}" --predictions >(cat >substituted.csv) >/dev/null
for _ in $(seq 50); do cmp -s substituted.csv plain.csv && break; sleep 0.1; done
cmp substituted.csv plain.csv || fail "predictions through >(...)"

# refuses EXIT_CODE TEXT COMMAND...: at once, and nothing else changes.
refuses() {
  local want=$1 text=$2 before code=0
  shift 2
  before=$(find . ! -name said | sort | xargs -d '\n' ls -ld; cat demo_cnn.onnx* eval.bin train.bin | sha256sum)
  "$@" >said 2>&1 || code=$?
  [ "$code" -eq "$want" ] && grep -q -- "$text" said || fail "$*: exit code $code: $(cat said)"
  [ "$(grep -c '^qsweep: error' said)" -eq 1 ] || fail "$*: not one error: $(cat said)"
  ! grep -q ' %' said || fail "$*: only after work: $(cat said)"
  [ "$before" = "$(find . ! -name said | sort | xargs -d '\n' ls -ld; cat demo_cnn.onnx* eval.bin train.bin | sha256sum)" ] || fail "$*: files changed"
}
ln -s demo_cnn.onnx soft.onnx && ln demo_cnn.onnx hard.onnx
calibrated=(--scheme '*=W8A8' --calib cifar10:train.bin)
for out in demo_cnn.onnx soft.onnx hard.onnx ./far/../demo_cnn.onnx train.bin demo_cnn.yaml; do
  refuses 2 "would replace the input" qsweep export demo_cnn.onnx "${calibrated[@]}" --out "$out"
done
refuses 2 "would replace the input" "${eval_demo[@]}" --predictions hard.onnx
refuses 2 "would replace the input" "${eval_demo[@]}" --predictions eval.bin
refuses 2 "would replace the input" "${eval_demo[@]}" "${calibrated[@]}" --cache demo_cnn.onnx
refuses 2 "would replace the input" qsweep calibrate demo_cnn.onnx --calib cifar10:train.bin --cache train.bin
refuses 2 "would replace the input" qsweep run demo.yaml --out run --set data.calibration.cache=eval.bin

# External data of the model is an input too.
"${export_demo[@]}" --out ext.onnx --external-data >/dev/null
[ -s ext.onnx.data ] || fail "no external data"
cp demo_cnn.yaml ext.yaml
refuses 2 "would replace the input 'ext.onnx.data'\|would replace the input '$PWD/ext.onnx.data'" qsweep --threads 1 eval ext.onnx --data cifar10:eval.bin --limit 20 --predictions ext.onnx.data
mkdir scripts && cp demo_cnn.onnx scripts/model_fp32.onnx && cp demo_cnn.yaml scripts/model_fp32.yaml
refuses 2 "would replace the input" qsweep export scripts/model_fp32.onnx --scheme '*=W4A16' --out x.onnx --scripts scripts
refuses 2 "two outputs" "${export_demo[@]}" --out fresh/model_fp32.onnx --scripts fresh
qsweep smoke demo_cnn.onnx --out fresh >/dev/null
output=$(ls fresh/*.npy)
refuses 2 "would replace the input" qsweep smoke demo_cnn.onnx --input "$output" --out fresh

# Places that cannot be written are found before the work.
refuses 4 "its folder does not exist" qsweep export demo_cnn.onnx "${calibrated[@]}" --out no/x.onnx
refuses 4 "Not a directory" qsweep export demo_cnn.onnx "${calibrated[@]}" --out x.onnx --scripts eval.bin/scripts
refuses 4 "a folder is there" qsweep export demo_cnn.onnx "${calibrated[@]}" --out far
refuses 4 "its folder does not exist" "${eval_demo[@]}" --predictions no/p.csv
refuses 4 "its folder does not exist" "${eval_demo[@]}" "${calibrated[@]}" --cache no/ranges
refuses 4 "its folder does not exist" qsweep calibrate demo_cnn.onnx --calib cifar10:train.bin --cache no/ranges
refuses 4 "Not a directory" qsweep smoke demo_cnn.onnx --out eval.bin
refuses 4 "Not a directory" qsweep run demo.yaml --out eval.bin/run
refuses 4 "Not a directory" qsweep sweep --models demo_cnn.onnx --output-root eval.bin --data cifar10:eval.bin --calib cifar10:train.bin
refuses 4 "too long" "${export_demo[@]}" --out "$(printf 'x%.0s' $(seq 300)).onnx"

# A disk that fills while an export is written: the old files stay, and nothing else.
cp ext.onnx old.onnx && cp ext.onnx.data old.onnx.data
code=0
(ulimit -f 4; exec "${export_demo[@]}" --out old.onnx --external-data) >said 2>&1 || code=$?
[ "$code" -eq 4 ] && grep -q "the disk is full" said || fail "a full disk: exit code $code: $(cat said)"
cmp ext.onnx old.onnx && cmp ext.onnx.data old.onnx.data || fail "a full disk: the old files changed"
[ -z "$(find . -name '.qsweep-*')" ] || fail "left behind: $(find . -name '.qsweep-*')"
