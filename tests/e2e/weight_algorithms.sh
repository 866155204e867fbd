#!/usr/bin/env bash
# Weight algorithms through eval, run and export: equal on any number of ranks, after a kill, and in the exported file.
. "$(dirname "$0")/common.sh"
folder=$QSWEEP_SOURCE_DIR/jobs/demo
data=(--data "cifar10:$folder/eval.bin" --calib "cifar10:$folder/train.bin" --json)
evaluate() { "$QSWEEP_BINARY" eval "$folder/demo_cnn.onnx" "${data[@]}" "$@" | grep -v '"seconds"'; }
value() { grep "\"$1\"" "$2" | sed 's/.*: //; s/[",]//g'; }

# A preset brings its algorithm, unless another is asked for.
evaluate --preset INT8_SMOOTHQUANT_CFG >"$scratch/preset.json"
evaluate --scheme "$(value scheme "$scratch/preset.json")" --algorithm smoothquant >"$scratch/scheme.json"
[ "$(value kl "$scratch/preset.json")" = "$(value kl "$scratch/scheme.json")" ] || fail "the preset does not smooth"
evaluate --preset INT8_SMOOTHQUANT_CFG --algorithm rtn >"$scratch/rtn.json"
[ "$(value kl "$scratch/rtn.json")" != "$(value kl "$scratch/preset.json")" ] || fail "--algorithm does not win"
for preset in INT4_AWQ_CFG W4A8_AWQ_BETA_CFG; do
  evaluate --preset $preset >"$scratch/awq.json"
  evaluate --preset $preset --algorithm rtn >"$scratch/rtn.json"
  [ "$(value kl "$scratch/awq.json")" != "$(value kl "$scratch/rtn.json")" ] || fail "$preset is plain rounding"
done

# AWQ is worth something at 4 bits.
for algorithm in rtn awq_lite awq_clip awq_full; do
  evaluate --scheme '*=W4A16' --algorithm $algorithm >"$scratch/$algorithm.json"
  awk "BEGIN { exit !($(value kl "$scratch/$algorithm.json") <= $(value kl "$scratch/rtn.json")) }" ||
    fail "$algorithm loses to rtn: $(cat "$scratch/$algorithm.json")"
done

# The same bits on two and three ranks.
mixed=(--scheme '*=W4A8; re:.*conv1=W8A8' --algorithm awq_full --bias-correction)
evaluate "${mixed[@]}" >"$scratch/1.json"
for n in 2 3; do
  ranks $n "$QSWEEP_BINARY" eval "$folder/demo_cnn.onnx" "${data[@]}" "${mixed[@]}" | grep -v '"seconds"' >"$scratch/$n.json"
  cmp "$scratch/1.json" "$scratch/$n.json" || fail "$n ranks adapt otherwise than one"
done

# A run keeps what it found; its export needs no images and is the file that the options give.
options=(--set latency.source=none --set quantization.algorithm=smoothquant --set quantization.smoothquant_alpha=auto)
"$QSWEEP_BINARY" run "$demo" --out "$scratch/run" "${options[@]}" >/dev/null 2>&1
grep -q '"algorithm": "smoothquant alpha auto"' "$scratch/run/manifest.json" || fail "the manifest lacks the algorithm"
"$QSWEEP_BINARY" export --run "$scratch/run" --scheme '*=W8A8' --out "$scratch/run.onnx" >/dev/null 2>&1
"$QSWEEP_BINARY" export "$folder/demo_cnn.onnx" --scheme '*=W8A8' --calib "cifar10:$folder/train.bin" --calib-images 320 \
  --algorithm smoothquant --smoothquant-alpha auto --out "$scratch/text.onnx" >/dev/null 2>&1
cmp "$scratch/run.onnx" "$scratch/text.onnx" || fail "the run's scheme is another file than its options give"
if "$QSWEEP_BINARY" export --run "$scratch/run" --scheme '*=W8A8:tensor' --out "$scratch/x.onnx" 2>"$scratch/error"; then
  fail "exported a precision that the run has not adapted"
fi
grep -q 'has not adapted weights to W8A8:tensor' "$scratch/error" || fail "says: $(cat "$scratch/error")"

# A model that is FP16 throughout has no adapted layers: from such a run it is written, other schemes are refused.
"$QSWEEP_BINARY" export --run "$scratch/run" --scheme '*=FP16' --format fp16 --out "$scratch/half.onnx" >/dev/null 2>&1 ||
  fail "FP16 from a run with an algorithm"
not_half() {
  local want=$1
  shift
  ! "$QSWEEP_BINARY" export "$folder/demo_cnn.onnx" --calib "cifar10:$folder/train.bin" --format fp16 \
    --out "$scratch/refused.onnx" "$@" >/dev/null 2>"$scratch/error" || fail "$* is written as FP16"
  [ "$(grep -c '^qsweep' "$scratch/error")" -eq 1 ] && grep -q -- "$want" "$scratch/error" || fail "$* says: $(cat "$scratch/error")"
  [ ! -e "$scratch/refused.onnx" ] || fail "a refused export left a file"
}
for weights in "--algorithm smoothquant" "--algorithm awq_full --bias-correction"; do
  # shellcheck disable=SC2086
  not_half 'a model in FP16 has no layer in another precision' --scheme '*=W8A8' $weights
done
not_half 'a model in FP16 keeps its biases' --scheme '*=FP16' --bias-correction

refused() {
  local want=$1
  shift
  ! "$QSWEEP_BINARY" eval "$folder/demo_cnn.onnx" "${data[@]}" "$@" >/dev/null 2>"$scratch/error" || fail "$* is accepted"
  [ "$(wc -l <"$scratch/error")" -eq 1 ] && grep -q -- "$want" "$scratch/error" || fail "$* says: $(cat "$scratch/error")"
}
refused 'smoothquant has nothing to do' --scheme '*=W4A16' --algorithm smoothquant
refused 'awq_lite has nothing to do' --scheme '*=FP16' --algorithm awq_lite
refused 'calibrator percentile does not fit smoothquant' --scheme '*=W8A8' --algorithm smoothquant --calibrator percentile
refused "must be one of rtn, mse, awq_lite, awq_clip, awq_full, smoothquant, got 'gptq'" --scheme '*=W8A8' --algorithm gptq
refused "must be a number, from 0 to 1, got '2'" --scheme '*=W8A8' --algorithm smoothquant --smoothquant-alpha 2

if [ -x "${QSWEEP_PYTHON:-}" ]; then
  # A ConvTranspose is rounded plainly whatever the algorithm; the layer behind it is adapted.
  "$QSWEEP_PYTHON" "$(dirname "$0")/make_transposed.py" "$scratch"
  of_transposed() {
    "$QSWEEP_BINARY" eval "$scratch/transposed.onnx" --data "npy:$scratch/x.npy,$scratch/y.npy" \
      --calib "npy:$scratch/c.npy,$scratch/y.npy" --calib-images 64 --scale 1 --json "$@" >"$scratch/transposed.json" 2>"$scratch/error" ||
      fail "ConvTranspose: $* says: $(cat "$scratch/error")"
    value kl "$scratch/transposed.json"
  }
  for scheme in 'up=W4A8' 'up=W4A8; fc=W4A8'; do
    of_transposed --scheme "$scheme" >"$scratch/rtn"
    of_transposed --scheme "$scheme" --algorithm awq_full --bias-correction >"$scratch/awq"
    case $scheme in
      *fc*) ! cmp -s "$scratch/rtn" "$scratch/awq" || fail "fc is not adapted" ;;
      *) cmp "$scratch/rtn" "$scratch/awq" || fail "a ConvTranspose is adapted" ;;
    esac
  done
  for weights in "--algorithm smoothquant --bias-correction" "--algorithm awq_full --bias-correction"; do
    "$QSWEEP_PYTHON" "$QSWEEP_SOURCE_DIR/bench/export/agreement.py" --qsweep "$QSWEEP_BINARY" --check --uniform W8A8 W4A8 \
      --random 0 --weights "$weights" "$folder/demo_cnn.onnx,$folder/eval.bin,$folder/train.bin" 2>/dev/null
  done
else
  echo "skipped: exported files in ONNX Runtime (no Python environment)"
fi
echo "weight algorithms as documented"
