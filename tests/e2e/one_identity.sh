#!/usr/bin/env bash
# No number of one run reaches another: ranks that see other files never compute, and a run is not resumed on other files.
. "$(dirname "$0")/common.sh"
job() { # job MODEL EVALUATION
  cat <<EOF
model: $1
data:
  calibration: {format: cifar10, path: $QSWEEP_SOURCE_DIR/jobs/demo/train.bin, images: 64}
  evaluation: {format: cifar10, path: $2, images: 100, shard: 50}
sensitivity: {precisions: [W8A8]}
latency: {source: none}
activations: {images: 0}
EOF
}
said() { grep -q -- "$1" "$scratch/said" || fail "no word of '$1': $(cat "$scratch/said")"; }
refuses() { # refuses EXIT_CODE COMMAND...
  local want=$1 code=0
  shift
  "$@" >"$scratch/said" 2>&1 || code=$?
  [ "$code" -eq "$want" ] || fail "$*: exit code $code, not $want: $(cat "$scratch/said")"
}
source_dir=$QSWEEP_SOURCE_DIR/jobs/demo

# Every rank has a working folder of its own, and so another eval.bin behind one path.
mkdir "$scratch/a" "$scratch/b"
cp "$source_dir/eval.bin" "$scratch/a/eval.bin"
tr '\1-\377' '\1' <"$source_dir/eval.bin" | head -c "$(stat -c %s "$source_dir/eval.bin")" >"$scratch/b/eval.bin"
job "$source_dir/demo_cnn.onnx" /proc/self/cwd/eval.bin >"$scratch/ranks.yaml"
cp "$source_dir/demo_cnn.yaml" "$scratch/" 2>/dev/null || true
root=()
if [ "$(id -u)" -eq 0 ]; then root=(--allow-run-as-root); fi
two() { # two FOLDER FOLDER: a run on two ranks, each in its folder
  mpirun "${root[@]}" --oversubscribe --bind-to none -n 1 --wdir "$1" "$QSWEEP_BINARY" run "$scratch/ranks.yaml" --out "$scratch/ranks" : \
    -n 1 --wdir "$2" "$QSWEEP_BINARY" run "$scratch/ranks.yaml" --out "$scratch/ranks"
}
refuses 3 timeout 60 bash -c "$(declare -f two); root=(${root[*]}); scratch=$scratch; QSWEEP_BINARY=$QSWEEP_BINARY; two $scratch/a $scratch/b"
said "evaluation_images"
said "rank 1"
[ ! -e "$scratch/ranks/pareto.csv" ] || fail "ranks with other pictures computed a front"
two "$scratch/a" "$scratch/a" >/dev/null 2>&1 || fail "ranks with the same pictures were refused"

# A CPU held back on one rank computes other bits.
refuses 3 timeout 60 mpirun "${root[@]}" --oversubscribe --bind-to none -n 1 "$QSWEEP_BINARY" run "$demo" --out "$scratch/isa" : \
  -n 1 env ONEDNN_MAX_CPU_ISA=AVX2 "$QSWEEP_BINARY" run "$demo" --out "$scratch/isa"
said "instruction_sets"

# A changed key, changed pictures and a changed model are named.
mkdir "$scratch/c"
cp "$source_dir/demo_cnn.onnx" "$source_dir/demo_cnn.yaml" "$source_dir/eval.bin" "$scratch/c/"
job "$scratch/c/demo_cnn.onnx" "$scratch/c/eval.bin" >"$scratch/c.yaml"
"$QSWEEP_BINARY" run "$scratch/c.yaml" --out "$scratch/run" >/dev/null 2>&1
cp "$scratch/run/pareto.csv" "$scratch/front.csv"
refuses 3 "$QSWEEP_BINARY" run "$scratch/c.yaml" --out "$scratch/run" --set quantization.calibrator=percentile
said "quantization.calibrator was minmax, is percentile"
refuses 3 "$QSWEEP_BINARY" run "$scratch/c.yaml" --out "$scratch/run" --set input.color=BGR
said "input.color was RGB, is BGR"
printf '\1' | dd of="$scratch/c/eval.bin" bs=1 seek=2000 conv=notrunc 2>/dev/null
refuses 3 "$QSWEEP_BINARY" run "$scratch/c.yaml" --out "$scratch/run"
said "evaluation_images was"
refuses 3 "$QSWEEP_BINARY" report "$scratch/run"
said "evaluation_images was"
cp "$source_dir/eval.bin" "$scratch/c/eval.bin"
"$QSWEEP_BINARY" report "$scratch/run" >/dev/null || fail "the files are as they were"
cmp "$scratch/front.csv" "$scratch/run/pareto.csv" || fail "the front changed"

# A model's external data is a part of it.
python=${QSWEEP_PYTHON:-python3}
"$python" -c 'import onnx' 2>/dev/null || { echo "not tried: external data (Python lacks onnx)"; exit 0; }
"$python" - "$scratch/c" <<'EOF'
import sys, onnx
folder = sys.argv[1]
model = onnx.load(folder + "/demo_cnn.onnx")
onnx.save(model, folder + "/external.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
EOF
cp "$scratch/c/demo_cnn.yaml" "$scratch/c/external.yaml"
job "$scratch/c/external.onnx" "$scratch/c/eval.bin" >"$scratch/e.yaml"
"$QSWEEP_BINARY" run "$scratch/e.yaml" --out "$scratch/external" >/dev/null 2>&1
printf '\0' | dd of="$scratch/c/weights.bin" bs=1 seek=5 conv=notrunc 2>/dev/null
refuses 3 "$QSWEEP_BINARY" run "$scratch/e.yaml" --out "$scratch/external"
said "model was"
