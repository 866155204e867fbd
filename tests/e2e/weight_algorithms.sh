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

refused() {
  local want=$1
  shift
  ! "$QSWEEP_BINARY" eval "$folder/demo_cnn.onnx" "${data[@]}" "$@" >/dev/null 2>"$scratch/error" || fail "$* is accepted"
  [ "$(wc -l <"$scratch/error")" -eq 1 ] && grep -q -- "$want" "$scratch/error" || fail "$* says: $(cat "$scratch/error")"
}
refused 'smoothquant has nothing to do' --scheme '*=W4A16' --algorithm smoothquant
refused 'awq_lite has nothing to do' --scheme '*=FP16' --algorithm awq_lite
refused 'calibrator percentile does not fit smoothquant' --scheme '*=W8A8' --algorithm smoothquant --calibrator percentile
refused "unknown weight algorithm 'gptq'" --scheme '*=W8A8' --algorithm gptq
refused "'2' is not a number from 0 to 1, or auto" --scheme '*=W8A8' --algorithm smoothquant --smoothquant-alpha 2

if [ -x "${QSWEEP_PYTHON:-}" ]; then
  for weights in "--algorithm smoothquant --bias-correction" "--algorithm awq_full --bias-correction"; do
    "$QSWEEP_PYTHON" "$QSWEEP_SOURCE_DIR/bench/export/agreement.py" --qsweep "$QSWEEP_BINARY" --check --uniform W8A8 W4A8 \
      --random 0 --weights "$weights" "$folder/demo_cnn.onnx,$folder/eval.bin,$folder/train.bin" 2>/dev/null
  done
else
  echo "skipped: exported files in ONNX Runtime (no Python environment)"
fi
echo "weight algorithms as documented"
