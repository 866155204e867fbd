#!/usr/bin/env bash
# A sweep told by flags alone: every weight type with every activation type and granularity, one run directory per
# model, FP16 activations without a quantizer, and a score that is not the default.
. "$(dirname "$0")/../e2e/common.sh"
cp "$QSWEEP_SOURCE_DIR"/jobs/demo/{demo_cnn.onnx,demo_cnn.yaml,demo.yaml,eval.bin,train.bin} "$scratch"
cd "$scratch"

"$QSWEEP_BINARY" sweep --output-root sweep/outputs --log-root sweep/logs --models demo_cnn.onnx \
  --weight-dtypes int4 int8 --act-dtypes fp8 fp16 --granularities per_layer per_channel \
  --max-calib-samples 1000 --batch-size 4 --imgsz 32 --data cifar10:eval.bin --limit 24 --calib cifar10:train.bin \
  >out.txt 2>err.txt || fail "the flags of a first sweep: $(cat err.txt)"
run=sweep/outputs/demo_cnn
[ -s sweep/logs/demo_cnn/rank-0.log ] || fail "no log below --log-root"
[ ! -e $run/logs ] || fail "logs in the run directory in spite of --log-root"
found=$(sed -n '/^  "layer_sensitivity"/,/^  \]/s/.*"precision": "\(.*\)",/\1/p' $run/layer-sensitivity-report.json | sort | uniq -c | xargs)
# Scales per channel are the default and not spelled out.
[ "$found" = "10 W4A16 10 W4A16:tensor 10 W4A8F 10 W4A8F:tensor 10 W8A16 10 W8A16:tensor 10 W8A8F 10 W8A8F:tensor" ] ||
  fail "ten layers at every precision, not: $found"
grep -q '"images": 320,' $run/layer-sensitivity-report.json || fail "more samples than there are: all, not: $(grep images $run/layer-sensitivity-report.json)"

# Weight-only needs no ranges: nothing rounds an activation to integers or FP8.
"$QSWEEP_BINARY" sweep --models demo_cnn --output-root weights --weight-dtypes int4 --act-dtypes fp16 \
  --granularities per_channel --data cifar10:eval.bin --limit 24 >out.txt 2>err.txt ||
  fail "weight-only without calibration images: $(cat err.txt)"
"$QSWEEP_BINARY" export demo_cnn.onnx --scheme '*=W4A16' --out w4a16.onnx >/dev/null 2>err.txt || fail "export: $(cat err.txt)"
"$QSWEEP_BINARY" inspect w4a16.onnx | grep -q 'QuantizeLinear, .* 0 pairs on activations' || fail "an activation is quantized at W4A16"

# INT8 and UINT8 activations are two formats, in one sweep too.
"$QSWEEP_BINARY" sweep --models demo_cnn.onnx --output-root signs --weight-dtypes int8 --act-dtypes int8 uint8 \
  --granularities per_channel --data cifar10:eval.bin --calib cifar10:train.bin --limit 24 >out.txt 2>err.txt ||
  fail "both signs of activations: $(cat err.txt)"
found=$(sed -n '/^  "layer_sensitivity"/,/^  \]/s/.*"precision": "\(.*\)",/\1/p' signs/demo_cnn/layer-sensitivity-report.json | sort | uniq -c | xargs)
[ "$found" = "10 W8A8 10 W8A8S" ] || fail "UINT8 (the default) and INT8 side by side, not: $found"
for type in int8 uint8; do
  grep -q ",$type,per_channel," signs/demo_cnn/outputs/sweep_index.csv || fail "no row of $type activations"
done

# Listed schemes alone: no layer is probed, no family swept.
"$QSWEEP_BINARY" run demo.yaml --out listed --set 'sensitivity.precisions=[]' --set 'sweep.families=[]' --set latency.source=none \
  --set 'sweep.schemes=["*=W8A8", "*=W4A8; @first=W8A8"]' --set data.evaluation.images=40 >out.txt 2>err.txt ||
  fail "a job of listed schemes only: $(cat err.txt)"
[ "$(grep -c ok listed/outputs/sweep_index.csv)" -ge 2 ] || fail "not both listed schemes: $(cat listed/outputs/sweep_index.csv)"

# Scores: the order follows the one asked for.
for score in kl mse; do
  "$QSWEEP_BINARY" sensitivity demo.yaml --out $score --score $score --set data.evaluation.images=40 \
    --set 'sensitivity.precisions=[W4A8]' --set 'sensitivity.modes=[only]' >/dev/null 2>err.txt || fail "--score $score: $(cat err.txt)"
  grep -q "\"score\": \"$score\"" $score/layer-sensitivity-report.json || fail "the report does not name the score $score"
done
sed -n 's/.*"sensitivity": \([0-9.e-]*\),/\1/p' mse/layer-sensitivity-report.json >scores.txt
sed -n 's/.*"output_mse": \([0-9.e-]*\),/\1/p' mse/layer-sensitivity-report.json >errors.txt
cmp scores.txt errors.txt || fail "--score mse ranks by something else than the outputs' mean squared error"
sort -gr errors.txt | cmp - errors.txt || fail "not sorted by the score"

# Tied layers are ranked and swept as one; nothing tied leaves the schemes as they are.
"$QSWEEP_BINARY" inspect demo_cnn.onnx | grep -A9 'sweep.tie' >ties.txt || fail "inspect prints no ties"
"$QSWEEP_BINARY" sweep demo.yaml --out tied --set sweep.tie=auto --set data.evaluation.images=40 \
  --set 'sensitivity.precisions=[W8A8]' --set 'sweep.families=[{rest: W8A8, keep: FP16, k: every}]' >out.txt 2>err.txt ||
  fail "tie: auto: $(cat err.txt)"
grep -q '^Tied layers share one precision' tied/layer-sensitivity-report.md || fail "the report does not list tied layers"
