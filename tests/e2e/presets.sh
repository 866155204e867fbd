#!/usr/bin/env bash
# Formats, presets and rules from the command line, on the demo's model.
. "$(dirname "$0")/common.sh"
folder=$QSWEEP_SOURCE_DIR/jobs/demo
model=$(echo "$folder"/*.onnx)

"$QSWEEP_BINARY" formats --json >"$scratch/formats.json"
for name in NVFP4 MXFP4 W4A8F W8A8 FP16; do
  grep -q "\"name\": \"$name\"" "$scratch/formats.json" || fail "formats lacks $name"
done
[ "$(grep -c '"needs": "Blackwell"' "$scratch/formats.json")" -ge 6 ] || fail "Blackwell formats are not marked"
"$QSWEEP_BINARY" env --json | grep -q '"vnni": \(true\|false\)' || fail "env does not say whether there is VNNI"
[ "$("$QSWEEP_BINARY" presets show vit-skip | tr '\n' ' ')" = '*patch_embed* *blocks.0.* *blocks.1.* *norm* *head* *decoder* ' ] ||
  fail "vit-skip"
cmp <("$QSWEEP_BINARY" presets show INT8_DEFAULT_CFG --json) "$QSWEEP_SOURCE_DIR/tests/golden/presets/INT8_DEFAULT_CFG.json"

# A preset in a job: its scheme joins the sweep under its name, and the manifest keeps what it means.
"$QSWEEP_BINARY" run "$demo" --out "$scratch/run" --set quantization.preset=INT8_DEFAULT_CFG --set latency.source=none \
  >"$scratch/run.txt" 2>/dev/null
grep -q 'INT8_DEFAULT_CFG' "$scratch/run/outputs/sweep_index.csv" || fail "the preset's scheme is not in the sweep"
grep -q '"preset": "INT8_DEFAULT_CFG"' "$scratch/run/manifest.json" || fail "the manifest does not name the preset"
grep -q '"\*weight_quantizer"' "$scratch/run/manifest.json" || fail "the manifest does not expand the preset"

# The flags of eval over a job file: what they do not name stays as the file has it.
"$QSWEEP_BINARY" run "$demo" --preset INT8_DEFAULT_CFG --skip '*conv1*' --print-config --set quantization.bins=256 >"$scratch/config.yaml"
grep -q 'preset: INT8_DEFAULT_CFG' "$scratch/config.yaml" || fail "--preset is not in the configuration"
grep -q 'conv1' "$scratch/config.yaml" || fail "--skip is not in the configuration"
grep -q 'bins: 256' "$scratch/config.yaml" || fail "--preset undid --set"
cmp <("$QSWEEP_BINARY" run "$scratch/config.yaml" --print-config) "$scratch/config.yaml" || fail "the configuration does not read back"

# Mistakes are usage errors that say what to do.
refused() {
  local want=$1 status=0
  shift
  "$QSWEEP_BINARY" eval "$model" --data cifar10:none.bin "$@" >/dev/null 2>"$scratch/error" || status=$?
  [ "$status" -eq 2 ] || fail "status $status of $*: $(cat "$scratch/error")"
  grep -q -- "$want" "$scratch/error" || fail "$* says: $(cat "$scratch/error")"
}
refused "Did you mean 'INT8_DEFAULT_CFG'" --preset INT8_DEFAULT
refused 'int4 takes awq_lite' --quantize-mode int4 --calibration-method entropy
refused 'Give --quantize-mode' --calibration-method max
refused 'Give --preset' --skip vit-skip
refused 'excludes' --preset INT8_DEFAULT_CFG --scheme '*=W8A8'
echo "formats, presets and rules as documented"
