#!/usr/bin/env bash
# Rank 0 ends before it has given the other ranks any work: they go at once, and one message and its exit code remain.
. "$(dirname "$0")/common.sh"
# Far above what any of these takes, far below the silence after which a rank leaves on its own.
patience=60
# ends EXIT_CODE TEXT ARGUMENT...: with two and three ranks
ends() {
  local want=$1 text=$2 n code
  shift 2
  for n in 2 3; do
    code=0
    ranks "$n" timeout "$patience" "$QSWEEP_BINARY" "$@" >"$scratch/said" 2>&1 || code=$?
    [ "$code" -eq "$want" ] || fail "$* on $n ranks: exit code $code, not $want: $(cat "$scratch/said")"
    [ "$(grep -c -- "$text" "$scratch/said")" -eq 1 ] || fail "$* on $n ranks: not once '$text': $(cat "$scratch/said")"
  done
}
head -c 3000 "$(dirname "$demo")/demo_cnn.onnx" >"$scratch/truncated.onnx"
ends 0 "^plan:" run "$demo" --out "$scratch/plan" --dry-run
ends 3 "cut short" run "$demo" --set "model=$scratch/truncated.onnx" --out "$scratch/truncated"
"$QSWEEP_BINARY" calibrate "$demo" --out "$scratch/run" >/dev/null
ends 3 "belongs to another" run "$demo" --set data.evaluation.images=10 --out "$scratch/run"
# More threads than the process may have: nobody waits for those that were started.
code=0
(ulimit -v 1500000; OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 timeout "$patience" "$QSWEEP_BINARY" --threads 400 run "$demo" --out "$scratch/threads") >"$scratch/said" 2>&1 || code=$?
[ "$code" -eq 4 ] && grep -q "cannot start the threads of 400 ranks" "$scratch/said" || fail "400 threads: exit code $code: $(cat "$scratch/said")"
