#!/usr/bin/env bash
# What an export leaves evaluates as it stands, and a run's schemes are exported by every name that its reports give.
. "$(dirname "$0")/common.sh"
cp "$QSWEEP_SOURCE_DIR"/jobs/demo/{demo_cnn.onnx,demo_cnn.yaml,demo.yaml,eval.bin,train.bin} "$scratch"
cd "$scratch"
q() { "$QSWEEP_BINARY" "$@" 2>err.txt; }
top1() { sed -n 's/^top-1 \([0-9]*\/[0-9]*\).*/\1/p'; }

calib=(--calib cifar10:train.bin --calib-images 64)
q export demo_cnn.onnx --scheme '*=W8A8; fc=FP16' "${calib[@]}" --out e.onnx >/dev/null || fail "export: $(cat err.txt)"
alone=$(q eval e.onnx --data cifar10:eval.bin | top1) || fail "the exported file alone: $(cat err.txt)"
simulated=$(q eval demo_cnn.onnx --scheme '*=W8A8; fc=FP16' "${calib[@]}" --data cifar10:eval.bin | top1)
[ -n "$alone" ] && [ "$alone" = "$simulated" ] || fail "the exported file alone gives $alone, not $simulated"

# An export's own YAML is written anew, another stays and that is said.
q export demo_cnn.onnx --scheme '*=W4A16' --scale 1 --out e.onnx >/dev/null && ! grep -q "stays as it is" err.txt ||
  fail "its own YAML: $(cat err.txt)"
grep -q 'scale: 1$' e.yaml || fail "the YAML keeps the scale that was given: $(cat e.yaml)"
cp demo_cnn.yaml mine.yaml
q export demo_cnn.onnx --scheme '*=W4A16' --out mine.onnx >/dev/null && ! grep -q "stays as it is" err.txt ||
  fail "a YAML that says the same: $(cat err.txt)"
q export demo_cnn.onnx --scheme '*=W4A16' --scale 1 --out mine.onnx >/dev/null || fail "export: $(cat err.txt)"
grep -q "'mine.yaml' .* stays as it is" err.txt || fail "a YAML of somebody's own: $(cat err.txt)"
cmp -s mine.yaml demo_cnn.yaml || fail "a YAML of somebody's own was changed"

# Tensors are compared where nothing can be scored.
cp demo_cnn.onnx detector.onnx
sed 's/^task: .*/task: detection/' demo_cnn.yaml >detector.yaml
q compare detector.onnx e.onnx --data cifar10:eval.bin --limit 8 >out.txt || fail "compare without a head: $(cat err.txt)"
grep -q '^no task metric: ' out.txt || fail "compare without a head says why it has no metric: $(cat out.txt)"
grep -q '^logits ' out.txt || fail "compare without a head has tensors: $(cat out.txt)"

q run demo.yaml --out run --set data.evaluation.images=60 --set activations.images=0 --set latency.source=none \
  --set 'objectives=[size, accuracy]' >out.txt || fail "run: $(cat err.txt)"
command=$(sed -n 's/^export: qsweep //p' out.txt)
[ -n "$command" ] || fail "the run names no export: $(cat out.txt)"
"$QSWEEP_BINARY" $command >recommended.txt 2>err.txt || fail "the command that the run prints, $command: $(cat err.txt)"
ls run/*.onnx >/dev/null || fail "no file in the run directory"
name=$(sed -n 's/^\([^ ].*[^ ]\)  *[0-9.]* ± .*/\1/p' out.txt | grep keep | head -1)
[ -n "$name" ] || fail "no scheme of a family in the table: $(cat out.txt)"
q export --run run --scheme "$name" --out n.onnx >/dev/null || fail "the name '$name' that the table prints: $(cat err.txt)"
q export --run run --scheme '#1' --out first.onnx >/dev/null || fail "#1: $(cat err.txt)"
q export --run run --scheme '#99' --out x.onnx >/dev/null && fail "the front has no 99 points"
grep -q 'Take one of #1 to #' err.txt || fail "#99: $(cat err.txt)"
q export --run run --scheme nothing --out x.onnx >/dev/null && fail "a scheme called nothing"
grep -q "the run has no scheme 'nothing'" err.txt || fail "an unknown name: $(cat err.txt)"
echo "exported files evaluate alone; $command"
