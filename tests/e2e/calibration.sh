#!/usr/bin/env bash
# qsweep calibrate: equal ranges on any number of ranks, the cache, the size study, warnings, nothing beside the model.
. "$(dirname "$0")/common.sh"
cd "$scratch"
mkdir model
cp "$QSWEEP_SOURCE_DIR"/jobs/demo/demo_cnn.{onnx,yaml} "$QSWEEP_SOURCE_DIR"/jobs/demo/{train,eval}.bin model/
ls -l model >before
calibrate=(calibrate model/demo_cnn.onnx --calib cifar10:model/train.bin --json)

"$QSWEEP_BINARY" "${calibrate[@]}" >one.json
for n in 2 3; do
  ranks $n "$QSWEEP_BINARY" "${calibrate[@]}" >ranks.json
  cmp one.json ranks.json || fail "$n ranks calibrate otherwise than one"
done
[ "$(grep -c '"low"' one.json)" -ge 25 ] || fail "not every calibrator is reported: $(cat one.json)"

# The cache gives the same bits, says when it does not fit, and survives damage.
"$QSWEEP_BINARY" "${calibrate[@]}" --cache ranges.cache >fresh.json
cp ranges.cache first.cache
"$QSWEEP_BINARY" -v "${calibrate[@]}" --cache ranges.cache >reused.json 2>log
grep -q 'reused from' log || fail "the cache was not used: $(cat log)"
cmp one.json fresh.json && cmp one.json reused.json && cmp first.cache ranges.cache || fail "the cache changes the ranges"
ranks 2 "$QSWEEP_BINARY" "${calibrate[@]}" --cache ranges.cache >reused.json
cmp one.json reused.json || fail "two ranks read other ranges from the cache"
printf 'x' | dd of=ranges.cache bs=1 seek=5000 conv=notrunc status=none
"$QSWEEP_BINARY" "${calibrate[@]}" --cache ranges.cache >repaired.json 2>log
grep -q 'checksum.*calibrating anew' log || fail "damage was not noticed: $(cat log)"
cmp one.json repaired.json && cmp first.cache ranges.cache || fail "the damaged cache was not replaced"
"$QSWEEP_BINARY" "${calibrate[@]}" --cache ranges.cache --calib-images 200 >other.json 2>log
grep -q 'calibration_images was .*calibrating anew' log || fail "a cache of other images was used: $(cat log)"
"$QSWEEP_BINARY" eval model/demo_cnn.onnx --data cifar10:model/eval.bin --calib cifar10:model/train.bin --scheme '*=W8A8' \
  --json >plain.json
for _ in 1 2; do
  "$QSWEEP_BINARY" eval model/demo_cnn.onnx --data cifar10:model/eval.bin --calib cifar10:model/train.bin \
    --scheme '*=W8A8' --cache eval.cache --json >cached.json
  cmp <(grep -v seconds plain.json) <(grep -v seconds cached.json) || fail "the cache changes an evaluation"
done

# One row per size, on any number of ranks.
sizes=(calibrate model/demo_cnn.onnx --calib cifar10:model/train.bin --data cifar10:model/eval.bin --sizes 100,256,300
  --scheme '*=W8A8' --json)
"$QSWEEP_BINARY" "${sizes[@]}" >sizes.json
[ "$(grep -c '"calibration_images"' sizes.json)" -eq 3 ] || fail "not three sizes: $(cat sizes.json)"
ranks 2 "$QSWEEP_BINARY" "${sizes[@]}" >sizes2.json
cmp sizes.json sizes2.json || fail "two ranks study sizes otherwise than one"

# Warnings: few images; images that are noise.
for i in $(seq 0 109); do printf "\\x0$((i % 10))"; head -c 3072 /dev/urandom; done >noise.bin
"$QSWEEP_BINARY" calibrate model/demo_cnn.onnx --calib cifar10:noise.bin --calib-images 100 --data cifar10:model/eval.bin \
  --json >noise.json 2>log
grep -q 'do not resemble the evaluation images.*roughness' noise.json || fail "noise passes for pictures"
"$QSWEEP_BINARY" "${calibrate[@]}" --calib-images 20 2>log | grep -q '20 calibration images are few' || fail "20 images are enough"
"$QSWEEP_BINARY" "${calibrate[@]}" --data cifar10:model/eval.bin >real.json
! grep -q 'do not resemble' real.json || fail "training images do not resemble evaluation images"

"$QSWEEP_BINARY" calibrate "$demo" --out run >/dev/null
"$QSWEEP_BINARY" calibrate "$demo" --cache job.cache --json >job1.json
"$QSWEEP_BINARY" -v calibrate "$demo" --cache job.cache --json 2>log >job2.json
grep -q 'reused from' log && cmp job1.json job2.json && cmp job1.json run/calibration.json ||
  fail "a job's cache changes its ranges, or was not used"
"$QSWEEP_BINARY" calibrate "$demo" --calib cifar10:model/train.bin --calib-images 120 --json >flags.json
grep -q '"images": 120' flags.json || fail "--calib and --calib-images do not reach the job: $(head -20 flags.json)"
[ -s run/calibration.json ] || fail "the run directory has no calibration.json"
grep -q '"path": "calibration.json"' run/manifest.json || fail "the manifest lacks calibration.json"
ls -l model | cmp - before || fail "something was written beside the model"
